"""Files from the web."""
