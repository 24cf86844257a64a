"""The command ``red-align``."""
