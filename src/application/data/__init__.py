"""Use cases on tables alone, without a model."""
