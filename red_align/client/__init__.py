"""The client of the service: clips and live frames go to a server over gRPC, results come back as the library's own."""
