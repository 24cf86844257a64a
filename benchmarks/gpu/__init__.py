"""What a GPU proves: speed of a step, error and parity, by every engine that the host has (deploy/gpu_check.sh)."""
