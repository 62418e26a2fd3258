"""Other people's protocols, spoken over the same data plane as our own API."""
