"""Sources that the service pulls itself: cameras and broadcasts, their events, and where these go."""
