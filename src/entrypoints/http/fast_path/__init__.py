"""The fast path: answers plain requests before the routes, and leaves the others to them."""
