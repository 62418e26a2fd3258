"""Many machines, by Ray."""
