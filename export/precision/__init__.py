"""Graphs in fp16 and int8."""
