"""Implementations of the ports, one technology to a folder."""
