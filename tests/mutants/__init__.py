"""Faults that are planted by hand, and the tests that must notice them."""
