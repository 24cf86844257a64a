"""Tests against a real Triton server on this machine's CPU."""
