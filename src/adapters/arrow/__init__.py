"""Tables in files, read and written with Apache Arrow: CSV, Parquet and JSON Lines."""
