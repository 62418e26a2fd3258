"""What every request passes: request context, authentication, limits, metrics, logs, traces."""
