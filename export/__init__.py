"""Checkpoint -> ONNX, with a proof of parity."""
