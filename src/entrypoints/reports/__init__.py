"""Reports for people: model cards and experiments."""
