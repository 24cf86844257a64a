"""The record of a run for the repository: ``python -m red.training.record RUN OUT`` writes log, curves and weights."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from red.training.checkpoint import HELD, NAME, save_resumable, save_weights


def draw_curves(log: Path, out: Path) -> None:
    """NME on the validation sets and the training loss over the steps, as a picture."""
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    steps = [line["step"] for line in lines]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    for name in ("pass1", "pass2", "pass3"):
        left.plot(steps, [line["300w"][name] for line in lines], marker=".", label=f"300w/val {name}")
    left.plot(steps, [line["300w_axis"]["pass3"] for line in lines], linestyle="--", label="300w/val, roll not known")
    if "ytf" in lines[0]:
        left.plot(steps, [line["ytf"]["pass3"] for line in lines], color="grey", label="ytf/val pass3")
    left.set(xlabel="step", ylabel="NME, % of the outer eye distance", ylim=(3.5, 9))
    left.legend()
    for name in ("points", "centres"):
        right.plot(steps, [line["loss"].get(name) for line in lines], marker=".", label=name)
    right.set(xlabel="step", ylabel="training loss", yscale="log")
    right.legend()
    figure.tight_layout()
    figure.savefig(out, dpi=100)
    plt.close(figure)


def main() -> None:
    """Write the record."""
    run, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run / "log.jsonl", out / "log.jsonl")
    draw_curves(run / "log.jsonl", out / "curves.png")
    save_weights(run / NAME, out / "weights.pt")
    if (run / HELD).exists():
        save_resumable(run / HELD, out / "resume.pt")


if __name__ == "__main__":
    main()
