"""All that extends the uvicorn server: sockets, connections, timeouts, workers."""
