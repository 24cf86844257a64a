"""Live sources opened by URL."""
