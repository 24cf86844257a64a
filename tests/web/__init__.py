"""The page in a real Chromium, its sample, and its pictures."""
