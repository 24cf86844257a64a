"""The networks and their presets."""
