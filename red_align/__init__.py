"""Facial landmarks in video: 68 points of every face, followed from frame to frame."""

__version__ = "0.2.0"
