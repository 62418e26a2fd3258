"""Block groups made up from a published equation, where the real ones cannot be had."""
