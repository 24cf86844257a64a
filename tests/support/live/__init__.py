"""Cameras and broadcasts for tests, from real servers on loopback."""
