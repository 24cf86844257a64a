"""The gateway: REST and gRPC over one data plane."""
