"""gRPC: a thin servicer over the gateway."""
