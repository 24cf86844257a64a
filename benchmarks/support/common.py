"""What the benchmarks share: pinned cores, interleaved rounds, tables, and a JSON report with the machine in it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "out" / "bench"
PACKAGES = ("numpy", "onnxruntime", "opencv-python-headless", "av", "pillow")

Samples = dict[str, list[float]]


def cores() -> tuple[int, int]:
    """The core that is measured on, and another one for clients; the same one where there is no other."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def pin(core: int) -> None:
    """Keep this process, and what it starts from now on, on one core."""
    os.sched_setaffinity(0, {core})


def interleaved(works: Mapping[str, Callable[[], float]], rounds: int, warm_up: int = 1) -> Samples:
    """Run each work once a round, one after another, so that a slow minute of the machine hits all of them.

    Args:
        works: By name, what is run; gives its figure (such as milliseconds a frame).
        rounds: Rounds whose figures are kept.
        warm_up: Rounds before them.

    Returns:
        The figures of each work, one a round.
    """
    samples: Samples = {name: [] for name in works}
    for number in range(warm_up + rounds):
        for name, work in works.items():
            value = work()
            if number >= warm_up:
                samples[name].append(value)
    return samples


def ratio(samples: Samples, over: str, under: str) -> float:
    """Median over the rounds of one work's figure over another's in the same round."""
    return median(a / b for a, b in zip(samples[over], samples[under], strict=True))


def timed_ms(work: Callable[[], object], repeat: int) -> float:
    """Milliseconds of one of ``repeat`` calls in a row."""
    began = time.perf_counter()
    for _ in range(repeat):
        work()
    return (time.perf_counter() - began) / repeat * 1e3


def cpu_s(pids: Sequence[int] = ()) -> float:
    """Processor seconds that processes have used so far, to the nanosecond; of this one where none is named."""
    # What clock_getcpuclockid gives on Linux: the clock of all threads of a process.
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids or [os.getpid()])


def children_cpu_s(parent: psutil.Process, needle: str = "") -> float:
    """Processor seconds of a process's children so far, of those too that have ended and were waited for.

    Args:
        parent: Whose children.
        needle: Those alone whose command line has this; it says nothing about ended ones.
    """
    ended = parent.cpu_times()
    alive = [child.pid for child in parent.children() if not needle or needle in " ".join(child.cmdline())]
    return ended.children_user + ended.children_system + (cpu_s(alive) if alive else 0.0)


def machine() -> dict[str, Any]:
    """What a figure depends on: processor, cores, memory, versions, and the commit that was measured."""
    return {
        "processor": _processor(),
        "cores": len(psutil.Process().cpu_affinity() or []) or os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": _git("rev-parse", "--short", "HEAD") + ("+changes" if _git("status", "--porcelain") else ""),
        "measured": time.strftime("%Y-%m-%d %H:%M"),
    }


def _processor() -> str:
    """Name, family and model: providers of virtual machines give one name to several generations."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = values.get("model name", platform.machine())
    return f"{name}, family {values.get('cpu family', '?')}, model {values.get('model', '?')}"


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def write_report(name: str, values: Mapping[str, Any], described: Mapping[str, Any]) -> Path:
    """Write a benchmark's figures to out/bench/NAME.json.

    Args:
        name: Of the benchmark.
        values: Its figures.
        described: What ``machine`` said before anything was pinned.

    Returns:
        The file.
    """
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps({"benchmark": name, "machine": described, **values}, indent=2) + "\n")
    print(f"\n{described['processor']}, {described['cores']} cores; figures in {path.relative_to(ROOT)}")
    return path


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows as text: the first column to the left, all others to the right, floats with two decimals."""
    cells = [[f"{v:.2f}" if isinstance(v, float) else str(v) for v in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)
