"""Settings, and the container that selects the adapters by them."""
