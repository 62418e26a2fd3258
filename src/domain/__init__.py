"""The domain: tables, models and decisions. No I/O; standard library and numpy only."""
