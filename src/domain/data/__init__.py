"""Tables: schema, features, datasets, splits, profiles."""
