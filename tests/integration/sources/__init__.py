"""Cameras and broadcasts from real servers on loopback."""
