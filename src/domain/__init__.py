"""What modelport is about: tables, models, decisions. No I/O; standard library and numpy only."""
