"""REST: thin routes over the dataplane."""
