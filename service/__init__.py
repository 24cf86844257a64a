"""The gateway: REST and gRPC over one data plane, decoding, face detection, sessions, and the engines."""

__version__ = "0.1.0"
