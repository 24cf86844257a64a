"""The page at ``/``: its files, which need no build step, and how they are served."""
