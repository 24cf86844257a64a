"""Cameras and network streams."""
