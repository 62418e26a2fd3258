"""Ports that are served from a process of their own."""
