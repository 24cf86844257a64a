"""Tests of what deploys: scripts, Compose, Kubernetes, capacity."""
