"""WebSocket: live streams for pages, over the session that gRPC streams have."""
