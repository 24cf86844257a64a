"""What does this host's GPU prove? Steps of batches 1 to 256 in fp32 and fp16, error and parity, by each engine.

Run by ``deploy/gpu_check.sh``. Engines: ``cuda`` (ONNX Runtime) and ``rtx`` (a plan of TensorRT for RTX, built here),
or ``cpu``, which goes the same way without a GPU. An engine that cannot run has a row that says why. Ends with 1 where
none ran, where fp32 is not torch's, or where fp16 costs accuracy.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from benchmarks.gpu.report import Report, Row, faults, renewed, table
from benchmarks.gpu.rtx_session import NoGpu, RtxSession
from benchmarks.support.common import OUT, ROOT
from export.accuracy import accuracy, validation_faces
from export.parity import FRAMES, SEQUENCES, check_parity, moving_faces
from export.precision.variants import Precision, write_graphs
from export.repository.rtx_plans import NotBuilt
from export.runners import GraphRunner, Session, TorchRunner
from red.models.build import AnyNetwork
from red.training.checkpoint import load_network
from red_align import contract
from red_align.datasets.protocol import Draws
from red_align.engine.onnx_session import open_session
from red_align.engine.providers import parse_providers
from red_align.errors import RedAlignError

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16")
ENGINES = ("cuda", "rtx", "cpu")
PACKAGES = ("onnxruntime", "onnxruntime-gpu", "tensorrt-rtx-cu12-libs", "torch")
_STEPS, _LEAST, _WARM_UP = 30, 5, 3


def opener(engine: str, max_batch: int) -> Callable[[Path], Session]:
    """What loads a graph for an engine.

    Args:
        engine: Of ENGINES.
        max_batch: Largest batch that it will be asked for.
    """
    if engine == "rtx":
        return lambda path: RtxSession(path, max_batch)
    # Shapes and indices are computed on the CPU, also beside CUDA.
    chosen = parse_providers("cpu" if engine == "cpu" else f"{engine},cpu")
    return lambda path: open_session(path, 1, chosen)


def step_ms(session: Session, runner: GraphRunner, batch: int, budget_s: float) -> float:
    """Median milliseconds of a call of the step graph.

    Args:
        session: Of the step graph.
        runner: Whose metadata say how large its inputs are.
        batch: Rows of the call.
        budget_s: Seconds after which no further call begins, once there are a few.
    """
    random = np.random.default_rng(0)
    crops = random.integers(0, 256, (batch, contract.CROP_SIZE, contract.CROP_SIZE, 3), np.uint8)
    memory = np.zeros((batch, runner.memory_size), np.float32)
    values = (crops, np.tile(runner.mean, (batch, 1)), np.zeros((batch, 1), np.float32), memory, memory)
    inputs = dict(zip(contract.STEP_INPUTS, values, strict=True))
    outputs = list(contract.STEP_OUTPUTS)
    taken: list[float] = []
    until = time.monotonic() + budget_s
    while len(taken) < _WARM_UP + _LEAST or (len(taken) < _WARM_UP + _STEPS and time.monotonic() < until):
        began = time.perf_counter()
        session.run(outputs, inputs)
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken[_WARM_UP:])


def examine(row: Row, folder: Path, network: AnyNetwork, options: argparse.Namespace, faces: Draws | None) -> Row:
    """Fill a row: load both graphs, compare, evaluate, and time; or say why not."""
    try:
        opened: dict[str, Session] = {}
        load = opener(row.engine, max(options.batches))

        def keep(path: Path) -> Session:
            opened[path.stem] = load(path)
            return opened[path.stem]

        runner = GraphRunner(folder, keep)
        crops = moving_faces(options.frames, SEQUENCES)
        parity = check_parity(runner, TorchRunner(network), crops)
        row.points_px = float(np.max([found.points_px for found in parity.values()]))
        row.accuracy = accuracy(runner, faces) if faces is not None else None
        for batch in options.batches:
            row.steps[batch] = step_ms(opened[contract.STEP_GRAPH], runner, batch, options.budget)
            print(f"{row.engine}, {row.precision}, batch {batch}: {row.steps[batch]:.2f} ms", flush=True)
    except (NoGpu, NotBuilt, RedAlignError) as error:
        row.failed = str(error).splitlines()[0]
        print(f"{row.engine}, {row.precision}: {row.failed}", flush=True)
    return row


def run(options: argparse.Namespace) -> Report:
    """All engines in all precisions."""
    began = time.monotonic()
    torch.set_num_threads(1)
    network = load_network(options.checkpoint)
    faces = validation_faces(options.faces) if options.faces else None
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temp:
        folders = {"fp32": options.graphs, "fp16": Path(temp) / "fp16"}
        if "fp16" in options.precisions:
            write_graphs(network, options.graphs, folders["fp16"], "fp16")
        for engine in options.engines:
            rows += [examine(Row(engine, one), folders[one], network, options, faces) for one in options.precisions]
    return Report(machine(), versions(), time.monotonic() - began, rows)


def machine() -> str:
    """The GPU with its driver, or the CPU where there is none."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
        return said.strip().splitlines()[0].replace(", ", ", driver ")
    except (OSError, subprocess.SubprocessError, IndexError):
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        return f"no GPU ({found.group(1) if found else 'unknown CPU'}, one thread)"


def versions() -> str:
    """Of what ran it."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def main(arguments: list[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=["cuda", "rtx"])
    parser.add_argument("--precisions", nargs="+", choices=get_args(Precision)[:2], default=list(PRECISIONS))
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES))
    parser.add_argument("--budget", type=float, default=1.0, help="seconds of timing for each batch")
    parser.add_argument("--frames", type=int, default=FRAMES, help="frames of each stream that parity compares")
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "training" / "edge-4" / "weights.pt")
    parser.add_argument("--graphs", type=Path, default=ROOT / "red_align" / "weights" / "edge", help="of it, in fp32")
    parser.add_argument("--faces", type=Path, help="folder of labelled faces for the error; without it none is known")
    parser.add_argument("--out", type=Path, default=OUT / "gpu.json")
    parser.add_argument("--write", type=Path, help="put the table between the marks of this file")
    options = parser.parse_args(arguments)
    report = run(options)
    print(f"\n{table(report)}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report.as_json(), indent=2) + "\n")
    wrong = faults(report)
    for fault in wrong:
        print(f"FAULT: {fault}", file=sys.stderr)
    if options.write and not wrong:
        options.write.write_text(renewed(options.write.read_text(), report))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
