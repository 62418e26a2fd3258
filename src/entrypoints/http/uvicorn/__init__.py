"""Everything that subclasses the uvicorn server: connection, graceful shutdown, workers."""
