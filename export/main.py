"""``red-export graphs CHECKPOINT OUT`` and ``red-export repository GRAPHS REPOSITORY``.

The first writes both graphs and proves parity; it writes nothing that fails. The second makes a Triton model
repository of them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import get_args

import numpy as np

from export.onnx_files import write_onnx
from export.parity import FRAMES, MAX_POINT_PX, SEQUENCES, TABLE_HEAD, check_parity, moving_faces
from export.triton_config import Backend, ServeOptions, Strategy
from export.triton_repository import write_repository
from red.checkpoint import load_network


def main(arguments: list[str] | None = None) -> int:
    """Entry point; 0 when all was written, else 1."""
    parser = argparse.ArgumentParser(prog="red-export", description=__doc__)
    commands = parser.add_subparsers(required=True)
    graphs = commands.add_parser("graphs", help="both ONNX graphs of a checkpoint, proven against torch")
    graphs.set_defaults(run_command=_graphs)
    graphs.add_argument("checkpoint", type=Path)
    graphs.add_argument("out", type=Path, help="folder for red.onnx, red_acquire.onnx, weights.bin")
    graphs.add_argument("--run", default=None, help="name of the training run; default: the checkpoint's folder")
    repository = commands.add_parser("repository", help="a Triton model repository of exported graphs")
    repository.set_defaults(run_command=_repository)
    repository.add_argument("graphs", type=Path, help="folder with red.onnx, red_acquire.onnx, weights.bin")
    repository.add_argument("repository", type=Path)
    usual = ServeOptions()
    repository.add_argument("--backend", choices=get_args(Backend), default=usual.backend)
    repository.add_argument("--cpu", action="store_true", help="serve on the CPU")
    repository.add_argument("--strategy", choices=get_args(Strategy), default=usual.strategy)
    repository.add_argument("--max-batch", type=int, default=usual.max_batch)
    repository.add_argument("--candidates", type=int, default=usual.candidates, help="most sequences at once")
    repository.add_argument("--idle", type=float, default=usual.idle_s, help="seconds until a sequence expires")
    repository.add_argument("--instances", type=int, default=usual.instances)
    options = parser.parse_args(arguments)
    return int(options.run_command(options))


def _graphs(options: argparse.Namespace) -> int:
    network = load_network(options.checkpoint)
    run = options.run or options.checkpoint.resolve().parent.name
    with tempfile.TemporaryDirectory() as temp:
        paths = write_onnx(network, Path(temp), run)
        table = check_parity(network, Path(temp), moving_faces(FRAMES, SEQUENCES))
        print(TABLE_HEAD)
        for name, parity in table.items():
            print(parity.row(name))
        # Not max(): a NaN that is not the first value would get lost in it.
        worst = float(np.max([p.points_px for p in table.values()]))
        if not worst < MAX_POINT_PX:
            print(f"refused: points differ by {worst:.4f} px, the limit is {MAX_POINT_PX}", file=sys.stderr)
            return 1
        options.out.mkdir(parents=True, exist_ok=True)
        for path in [*paths, *(p for p in Path(temp).iterdir() if p not in paths)]:
            shutil.copyfile(path, options.out / path.name)
            print(f"{options.out / path.name}: {path.stat().st_size / 1e6:.2f} MB")
    return 0


def _repository(options: argparse.Namespace) -> int:
    serve = ServeOptions(
        backend=options.backend,
        gpu=not options.cpu,
        max_batch=options.max_batch,
        strategy=options.strategy,
        candidates=options.candidates,
        idle_s=options.idle,
        instances=options.instances,
    )
    for path in write_repository(options.graphs, options.repository, serve):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
