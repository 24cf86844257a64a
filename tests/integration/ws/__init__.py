"""Live streams over a WebSocket, against real servers."""
