"""Settings, and the container that picks the adapters by them."""
