"""Clips and live streams, between and during requests."""
