"""The fast path: answers plain requests before a route is looked for, and leaves the rest."""
