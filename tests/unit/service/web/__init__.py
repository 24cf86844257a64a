"""The page's files and the messages of its WebSocket."""
