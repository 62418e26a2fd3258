"""Tables of any database that SQLAlchemy speaks to: as data source, as tracker and as output."""
