"""Accuracy, stability, confidence and re-acquisition of an exported model, through the service's own code."""
