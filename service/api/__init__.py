"""The outside: REST and gRPC over one data plane."""
