"""The steps of ``red-export``. Each raises Refused where what it made differs from what it was made of."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from export.accuracy import ACCURACY_HEAD, calibration_crops, validation_faces
from export.folding import folded
from export.onnx_files import write_onnx
from export.parity import FRAMES, MAX_POINT_PX, SEQUENCES, TABLE_HEAD, check_parity, moving_faces
from export.precision.variants import Refused, write_variant
from export.repository.rtx_plans import NotBuilt, build_plans
from export.repository.served import ServedRunner
from export.repository.triton_config import ServeOptions
from export.repository.triton_repository import write_repository
from export.runners import GraphRunner, Runner, TorchRunner, runner_of
from export.stored import rounded
from red.models.build import AnyNetwork
from red.training.checkpoint import load_network

HALF_WEIGHTS_PX = 0.1
"""Most that the rounding of weights may move a point, crop pixels: far below what a point errs by."""


def graphs(options: argparse.Namespace) -> None:
    """Both graphs in a precision; a variant's points may differ, its accuracy may not (export.accuracy)."""
    if options.precision != "fp32" and options.validate is None:
        raise ValueError("fp16 and int8 need labelled faces to --validate on")
    if options.precision == "int8" and options.calibrate is None:
        raise ValueError("int8 needs labelled faces to --calibrate on, others than those that evaluate it")
    network = load_network(options.checkpoint)
    run = options.name or options.checkpoint.resolve().parent.name
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp) / "fp32"
        write_onnx(network, folder, run, half_weights=options.half_weights)
        exact = rounded(folded(network)) if options.half_weights else network
        compare("graphs", GraphRunner(folder), TorchRunner(exact))
        if options.half_weights:
            compare(
                "graphs with half the weights, against the checkpoint",
                GraphRunner(folder),
                TorchRunner(network),
                HALF_WEIGHTS_PX,
            )
        if options.precision != "fp32":
            folder = _variant(network, folder, Path(temp) / "variant", options)
        _keep(sorted(folder.iterdir()), options.out)


def repository(options: argparse.Namespace) -> None:
    """A Triton model repository; its graphs are compared with those it was made of, or with a checkpoint."""
    serve = ServeOptions(
        backend=options.backend,
        gpu=not options.cpu,
        max_batch=options.max_batch,
        strategy=options.strategy,
        candidates=options.candidates,
        idle_s=options.idle,
        instances=options.instances,
        threads=options.threads,
    )
    given = GraphRunner(options.graphs)
    with tempfile.TemporaryDirectory() as temp:
        write_repository(options.graphs, Path(temp), serve)
        made = GraphRunner(Path(temp))
        compare("the repository, against the given graphs", made, given)
        if options.checkpoint is not None:
            exact = given.metadata.get("precision", "fp32") == "fp32"
            limit = MAX_POINT_PX if exact else None
            compare("the repository, against torch", made, TorchRunner(load_network(options.checkpoint)), limit)
    _report(write_repository(options.graphs, options.repository, serve))


def rtx(options: argparse.Namespace) -> None:
    """Plans of TensorRT for RTX of both graphs."""
    try:
        built = build_plans(options.graphs, options.out, options.max_batch, options.capability)
    except (NotBuilt, ImportError) as error:
        raise Refused(str(error)) from error
    for path, plan in built.items():
        print(f"{path}: {plan.layers} layers, {len(plan.plan) / 1e6:.2f} MB, compute capability {options.capability}")


def served(options: argparse.Namespace) -> None:
    """What a running server answers, against a checkpoint or exported graphs."""
    with ServedRunner(options.url) as server:
        compare(f"{options.url} ({server.backend})", server, runner_of(options.against), options.tolerance)


def compare(title: str, ours: Runner, theirs: Runner, limit: float | None = MAX_POINT_PX) -> None:
    """Compare two runners over the same streams and print the table.

    Args:
        title: Line above the table.
        ours: What was made.
        theirs: What it was made of.
        limit: Pixels that a point may differ by; None for any.

    Raises:
        Refused: A point differs by ``limit`` pixels or more, or is NaN.
    """
    table = check_parity(ours, theirs, moving_faces(FRAMES, SEQUENCES))
    print(f"{title}\n{TABLE_HEAD}")
    for name, parity in table.items():
        print(parity.row(name))
    # Not max(): a NaN that is not the first value would get lost in it.
    worst = float(np.max([p.points_px for p in table.values()]))
    if limit is not None and not worst < limit:
        raise Refused(f"points differ by {worst:.4f} px, the limit is {limit}")


def _variant(network: AnyNetwork, plain: Path, folder: Path, options: argparse.Namespace) -> Path:
    crops = calibration_crops(options.calibrate) if options.precision == "int8" else None
    faces = validation_faces(options.validate)
    result = write_variant(network, plain, folder, options.precision, faces, crops)
    compare(f"graphs in {options.precision}", GraphRunner(folder), TorchRunner(network), None)
    print(ACCURACY_HEAD)
    print(result.fp32.row("fp32"))
    print(result.variant.row(options.precision))
    result.require()
    return folder


def _keep(paths: Iterable[Path], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    _report(Path(shutil.copyfile(path, out / path.name)) for path in paths)


def _report(paths: Iterable[Path]) -> None:
    for path in paths:
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
