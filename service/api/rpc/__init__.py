"""gRPC: a thin servicer over the dataplane."""
