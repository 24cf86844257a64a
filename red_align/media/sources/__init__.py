"""Live sources opened by URL: cameras and broadcasts, whose every connection is checked before it is made."""
