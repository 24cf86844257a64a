"""Training of the network as it was published."""
