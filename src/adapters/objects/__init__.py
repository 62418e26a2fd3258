"""Object stores, by way of fsspec."""
