"""The network that ships, in the parts of the paper."""
