"""Reports: model cards and experiments."""
