"""Triton model repositories and TensorRT plans."""
