"""What may be under way at once, and for how long."""
