"""Protocols of other servers, over the same data plane as the native API."""
