"""Engines against each other: the embedded one, Triton servers, execution providers."""
