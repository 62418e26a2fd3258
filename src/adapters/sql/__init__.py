"""Database tables, by SQLAlchemy: data source, output of batch jobs, and tracker."""
