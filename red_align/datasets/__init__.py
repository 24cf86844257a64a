"""Labelled faces and the protocol of the accuracy figures."""
