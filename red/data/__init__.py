"""Faces, augmentation and batches."""
