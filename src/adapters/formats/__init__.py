"""Decoding of files by pydantic, shared by the adapters."""
