"""What formats of images need beside Pillow: which of their pictures are frames, and what a cut file still holds."""
