"""Makes the documentation site: pages from code and from elsewhere in the repository, and the check of the result."""
