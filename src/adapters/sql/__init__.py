"""Database tables with SQLAlchemy: data source, output of batch jobs, and tracker."""
