"""``red-export``: from a checkpoint to what serves it. Every step proves parity and prints it as a table.

``graphs`` writes both ONNX graphs of a checkpoint, in fp32, fp16 or int8; ``repository`` makes a Triton model
repository of them; ``rtx`` proves with TensorRT for RTX that TensorRT takes them; ``served`` compares what a running
Triton answers. What fails is not written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

from export import commands
from export.precision.variants import Precision, Refused
from export.repository.rtx_plans import CAPABILITIES
from export.repository.triton_config import Backend, ServeOptions, Strategy


def main(arguments: list[str] | None = None) -> int:
    """Entry point; 0 when all was written, else 1."""
    parser = argparse.ArgumentParser(prog="red-export", description=__doc__)
    steps = parser.add_subparsers(required=True)
    _graphs(steps.add_parser("graphs", help="both ONNX graphs of a checkpoint, proven against torch"))
    _repository(steps.add_parser("repository", help="a Triton model repository of exported graphs"))
    rtx = steps.add_parser("rtx", help="plans of TensorRT for RTX, without a GPU: TensorRT takes the graphs")
    rtx.set_defaults(run=commands.rtx)
    rtx.add_argument("graphs", type=Path, help="folder with red.onnx, red_acquire.onnx, weights.bin")
    rtx.add_argument("out", type=Path)
    rtx.add_argument("--max-batch", type=int, default=ServeOptions().max_batch)
    rtx.add_argument("--capability", choices=CAPABILITIES, default="8.9", help="compute capability of the GPU")
    served = steps.add_parser("served", help="a running Triton against a checkpoint or exported graphs")
    served.set_defaults(run=commands.served)
    served.add_argument("url", help="gRPC address of the server, HOST:PORT")
    served.add_argument("against", type=Path, help="a checkpoint, or a folder with red.onnx, red_acquire.onnx")
    served.add_argument("--tolerance", type=float, default=0.05, help="largest difference of a point in pixels")
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (Refused, ValueError, FileNotFoundError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    return 0


def _graphs(graphs: argparse.ArgumentParser) -> None:
    graphs.set_defaults(run=commands.graphs)
    graphs.add_argument("checkpoint", type=Path)
    graphs.add_argument("out", type=Path, help="folder for red.onnx, red_acquire.onnx, weights.bin")
    graphs.add_argument("--run", dest="name", default=None, help="name of the training run; default: the folder's")
    graphs.add_argument("--precision", choices=get_args(Precision), default="fp32")
    graphs.add_argument("--half-weights", action="store_true", help="half the file: weights are kept in half precision")
    graphs.add_argument("--validate", type=Path, help="labelled faces that evaluate fp16 and int8")
    graphs.add_argument("--calibrate", type=Path, help="other labelled faces, for the ranges of int8")


def _repository(repository: argparse.ArgumentParser) -> None:
    repository.set_defaults(run=commands.repository)
    repository.add_argument("graphs", type=Path, help="folder with red.onnx, red_acquire.onnx, weights.bin")
    repository.add_argument("repository", type=Path)
    repository.add_argument("--checkpoint", type=Path, help="compare with torch, not with the given graphs alone")
    usual = ServeOptions()
    repository.add_argument("--backend", choices=get_args(Backend), default=usual.backend)
    repository.add_argument("--cpu", action="store_true", help="serve on the CPU")
    repository.add_argument("--strategy", choices=get_args(Strategy), default=usual.strategy)
    repository.add_argument("--max-batch", type=int, default=usual.max_batch)
    repository.add_argument("--candidates", type=int, default=usual.candidates, help="most sequences at once")
    repository.add_argument("--idle", type=float, default=usual.idle_s, help="seconds until a sequence expires")
    instances = "of each model; 0: 2 on the CPU, 1 on a GPU; a CPU of its own serves best with as many as it has cores"
    repository.add_argument("--instances", type=int, default=usual.instances, help=instances)
    repository.add_argument("--threads", type=int, default=usual.threads, help="of one network call on the CPU")


if __name__ == "__main__":
    sys.exit(main())
