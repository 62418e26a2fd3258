"""Middleware of every request: context, authentication, limits, metrics, logs, traces."""
