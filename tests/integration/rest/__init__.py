"""REST against a real server on a real port."""
