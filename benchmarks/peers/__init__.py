"""Contestants of benchmarks/pipeline.py, each a script in an environment of its own."""
