"""Makes the documentation site: pages from code, pages from elsewhere in the repository, and the check of the result."""
