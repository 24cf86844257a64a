"""REST: thin routes over the gateway."""
