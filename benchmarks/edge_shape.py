"""One step of networks of other sizes against an exported one, in turn on one core: what a shape costs.

``python benchmarks/edge_shape.py BASELINE [NAME=FIELD:VALUE,...]...``

BASELINE is a folder with ``red.onnx``; each NAME is preset ``edge`` with other fields of ``red.models.presets.Preset``,
such as ``narrow=enc32:16,dec32:16,reg:16/48/48``. Without any, a few are compared. ``edge`` and ``base`` as the code
builds them are always among them. Weights are random: they have no part in the time. Rounds take all networks in
turn, time is that of the thread, so that others on the machine disturb little, and ratios are medians over the rounds.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch

from export.onnx_files import write_onnx
from red.models.edge.network import RedNetwork
from red.models.presets import BASE, EDGE, Preset
from red_align import contract
from red_align.schemes import IBUG68

ROUNDS, STEPS, WARM = 41, 10, 10
USUAL = (
    "sixteens=enc32:16,dec32:16",
    "lean_head=enc32:16,dec32:16,reg:16/48/48",
    "light_stem=stem:8/16,enc32:32,dec32:16,reg:16/48/48",
    "lean_stem=stem:16/16,enc32:16,dec32:16,reg:16/48/48",
)


def preset_of(text: str) -> tuple[str, Preset]:
    """``NAME=FIELD:VALUE,...`` to a name and a preset; a VALUE is a number, or numbers with / between them."""
    name, _, changes = text.partition("=")
    known = {field.name for field in fields(Preset)}
    values: dict[str, object] = {}
    for change in changes.split(","):
        field, _, value = change.partition(":")
        if field not in known or not value:
            raise SystemExit(f"{change!r} in {text!r} is no field of a preset and its value")
        numbers = tuple(int(part) for part in value.split("/"))
        values[field] = numbers if "/" in value else numbers[0]
    return name, replace(EDGE, **values)  # type: ignore[arg-type]


class Timed:
    """A graph on one thread with inputs for one face."""

    def __init__(self, folder: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(
            str(folder / f"{contract.STEP_GRAPH}.onnx"), options, providers=["CPUExecutionProvider"]
        )
        memory = next(i.shape[1] for i in self.session.get_inputs() if i.name == contract.STATE)
        rng = np.random.default_rng(0)
        size = contract.CROP_SIZE
        self.inputs = {
            contract.CROP: rng.integers(0, 256, (1, size, size, 3)).astype(np.uint8),
            contract.PRIOR: IBUG68.mean_shape.reshape(1, -1).astype(np.float32),
            contract.START: np.zeros((1, 1), np.float32),
            contract.RESUME: np.zeros((1, memory), np.float32),
            contract.STATE: np.zeros((1, memory), np.float32),
        }
        self.milliseconds: list[float] = []

    def run(self, steps: int) -> float:
        """Milliseconds of the thread a step."""
        began = time.thread_time()
        for _ in range(steps):
            self.session.run(None, self.inputs)
        return (time.thread_time() - began) / steps * 1e3


def exported(preset: Preset, folder: Path) -> Timed:
    """A new network of these sizes as a graph."""
    torch.manual_seed(0)
    write_onnx(RedNetwork(preset).eval(), folder, "random")
    return Timed(folder)


def main() -> None:
    """Print the table."""
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    shapes = {"edge": EDGE, "base": BASE} | dict(preset_of(text) for text in sys.argv[2:] or USUAL)
    with tempfile.TemporaryDirectory() as temp:
        timed = {"baseline": Timed(Path(sys.argv[1]))}
        timed |= {name: exported(preset, Path(temp) / name) for name, preset in shapes.items()}
        for one in timed.values():
            one.run(WARM)
        for _ in range(ROUNDS):
            for one in timed.values():
                one.milliseconds.append(one.run(STEPS))
    first = timed["baseline"].milliseconds
    print(f"{'one thread of one core':<24}{'ms':>8}{'least':>8}{'over baseline':>15}")
    for name, one in timed.items():
        ratio = statistics.median(a / b for a, b in zip(one.milliseconds, first, strict=True))
        print(f"{name:<24}{statistics.median(one.milliseconds):>8.3f}{min(one.milliseconds):>8.3f}{ratio:>15.3f}")


if __name__ == "__main__":
    main()
