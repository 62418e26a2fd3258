"""Getting a registered model ready to answer, and signing it."""
