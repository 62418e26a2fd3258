"""What all adapters share: locks, atomic writes, temporary folders, downloads."""
