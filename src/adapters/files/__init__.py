"""Files for all adapters: locks, atomic writes, temporary folders, the download cache."""
