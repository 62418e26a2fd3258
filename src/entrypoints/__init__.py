"""Ways in: the command line, the HTTP server, and the wiring that both share."""
