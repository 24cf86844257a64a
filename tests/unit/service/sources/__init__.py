"""Sources that the service pulls itself."""
