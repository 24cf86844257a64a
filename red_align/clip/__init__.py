"""Whole clips: tracked frame by frame, or as arrays."""
