"""The use cases, and the ports through which they speak to the world."""
