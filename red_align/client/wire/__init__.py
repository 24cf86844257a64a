"""What touches gRPC and protobuf: connections, messages, and what the status of a call means."""
