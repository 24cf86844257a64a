"""Checkpoint -> ONNX, with a parity check."""
