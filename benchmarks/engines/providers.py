"""What do other execution providers and precisions gain, and how far do their points move from the CPU's in fp32?

Each way of running the network is a process of its own, since each build of ONNX Runtime wants an environment of its
own; rounds take turns, and the last columns are ratios of medians: below 1 is faster. ``--run NAME PYTHON PROVIDERS
MODEL`` adds a way; ``-`` stands for this Python, and for the weights of the package.

    python -m benchmarks.engines.providers clip.mp4 --run openvino /venv/bin/python openvino - --run int8 - cpu out/int8
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FACES = (1, 8)
USUAL = ["fp32 on the CPU", "-", "cpu", "-"]


class Way:
    """A running benchmarks/providers_worker.py."""

    def __init__(self, clip: Path, spec: list[str], threads: int) -> None:
        self.name, python, providers, model = spec
        command = [sys.executable if python == "-" else python, "-m", "benchmarks.engines.providers_worker"]
        command += [str(clip), providers, model, str(threads)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.runs = self._line()
        self.times: dict[int, list[float]] = {faces: [] for faces in FACES}

    def ask(self, order: str) -> str:
        """The answer to one order."""
        assert self._process.stdin is not None
        print(order, file=self._process.stdin, flush=True)
        return self._line()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise SystemExit(f"{self.name} ended")
        return line


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--run", nargs=4, action="append", default=[], metavar=("NAME", "PYTHON", "PROVIDERS", "MODEL"))
    parser.add_argument("--threads", type=int, default=1, help="of one network call")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    ways = [Way(options.clip, spec, options.threads) for spec in (USUAL, *options.run)]
    for _ in range(options.rounds):
        for faces in FACES:
            for way in ways:
                way.times[faces].append(float(way.ask(f"steps {faces}")))
    print(f"{options.clip.name}, {options.threads} thread(s); a network call of a step, and the clip's points\n")
    columns = "".join(f"{f'{n} faces, ms':>14}{'ratio':>8}" for n in FACES)
    print(f"{'':<18}{'runs':<22}{columns}{'px, median':>13}{'99 %':>8}{'most':>8}")
    usual = _points(ways[0])
    for way in ways:
        row = f"{way.name:<18}{way.runs:<22}"
        for faces in FACES:
            value, base = statistics.median(way.times[faces]), statistics.median(ways[0].times[faces])
            row += f"{value:>14.2f}{value / base:>8.2f}"
        apart = np.linalg.norm(_points(way) - usual, axis=-1)
        far = np.nanquantile(apart, [0.5, 0.99, 1.0])
        print(f"{row}{far[0]:>13.4f}{far[1]:>8.4f}{far[2]:>8.4f}", flush=True)
    for way in ways:
        way.close()


def _points(way: Way) -> NDArray[np.float64]:
    """Of the whole clip, [T, L, 2], frame pixels."""
    with tempfile.TemporaryDirectory() as temp:
        file = Path(temp) / "points.npy"
        way.ask(f"points {file}")
        points: NDArray[np.float64] = np.load(file)
    return points


if __name__ == "__main__":
    main()
