"""Tools of those who deploy, for tests: Compose, Helm, Envoy, PromQL, scripts."""
