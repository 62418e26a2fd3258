"""What all adapters share: locks, atomic writes, temporary folders, the download cache."""
