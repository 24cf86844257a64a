"""The Compose files as Compose itself merges and completes them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
Project = dict[str, Any]


@cache
def compose_tool() -> tuple[str, ...] | None:
    """The command of Compose v2, where there is one."""
    for tool in ((str(ROOT / ".compose" / "docker-compose"),), ("docker", "compose"), ("docker-compose",)):
        if shutil.which(tool[0]) is None:
            continue
        said = subprocess.run([*tool, "version", "--short"], capture_output=True, text=True, check=False)
        if said.returncode == 0 and said.stdout.strip().lstrip("v").startswith(("2.", "5.")):
            return tool
    return None


def run_compose(overlays: tuple[str, ...], **environment: str) -> subprocess.CompletedProcess[str]:
    """``config`` of docker-compose.yml and overlays of deploy/compose; without Compose the test is skipped."""
    tool = compose_tool()
    if tool is None:
        pytest.skip("no Compose v2 here; `make compose-tool` gets one on Debian")
    files = ["-f", "docker-compose.yml"]
    for overlay in overlays:
        files += ["-f", f"deploy/compose/{overlay}.yml"]
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("RED_", "TRITON_"))}
    command = [*tool, *files, "config", "--format", "json"]
    return subprocess.run(command, cwd=ROOT, env=plain | environment, check=False, capture_output=True, text=True)


@cache
def project(*overlays: str, **environment: str) -> Project:
    """The whole project that Compose makes of the files."""
    done = run_compose(overlays, **environment)
    assert done.returncode == 0, done.stderr
    made: Project = json.loads(done.stdout)
    return made
