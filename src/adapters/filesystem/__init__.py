"""Models, runs and schemas as plain files that a person can read."""
