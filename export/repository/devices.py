"""Whether this machine has a GPU that Triton could use."""

from __future__ import annotations

import subprocess

_TIMEOUT_S = 20.0


def has_gpu() -> bool:
    """Ask NVIDIA's driver, by the tool that comes with it.

    Returns:
        Whether it lists at least one GPU; False where there is no driver or it does not answer.
    """
    try:
        said = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return "GPU" in said.stdout
