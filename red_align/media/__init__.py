"""Decoding: files and single frames to upright RGB frames."""
