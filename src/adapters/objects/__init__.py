"""Object stores, accessed with fsspec."""
