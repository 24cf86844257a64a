"""What a video's container and decoder say: which stream, when each frame is shown, what is missing or damaged."""
