"""Engines: who runs network steps and keeps the memory of sequences."""
