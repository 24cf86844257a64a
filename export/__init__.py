"""Checkpoint -> ONNX, with a tests.stress of parity."""
