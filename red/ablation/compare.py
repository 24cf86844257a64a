"""What each part of the network is worth: one table from one command.

    python -m red.ablation.compare --data ROOT --out runs/ablation [--checkpoint FILE] [--stills N] [--temporal N]

Parts that can be taken out of a trained network are taken out of it: passes, the prior, f_tRNN, the regression
on top of the maps' centres. Parts that shape training (identity supervision, batch norm) are trained without,
by short runs of the same length that differ in nothing else; ``--checkpoint`` evaluates a finished run as well.
Single frames and videos have tables of their own: a method that may look back is not compared with one that may not.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import torch

from red.ablation.figures import identity_figures, still_figures, video_figures
from red.models.edge.network import RedNetwork
from red.training.checkpoint import NAME, load_network
from red.training.train import Trainer
from red.training.train import arguments as training_arguments
from red_align.datasets.labelled_faces import LabelledFace, read_faces
from red_align.datasets.protocol import draw

VARIANTS: dict[str, list[str]] = {
    "all parts": [],
    "without identity supervision": ["--identity", "0"],
    "without batch norm": ["--no-batch-norm", "--rate", "5e-4"],
}
"""The runs and what differs. Without batch norm the usual rate diverges, so it has a lower one."""
VIDEO_FACES, FRAMES = 60, 20


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m red.ablation.compare", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="root with 300w/{train,val} and ytf/{train,val}")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the runs; a run that is there is not repeated"
    )
    parser.add_argument("--checkpoint", type=Path, default=None, help="a finished run to evaluate as well")
    parser.add_argument("--stills", type=int, default=1200, help="still steps of each run")
    parser.add_argument("--temporal", type=int, default=0, help="sequence steps of each run")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, default=None, help="faces read of each set, for a quick try")
    parser.add_argument("--evaluate-only", action="store_true", help="train nothing: evaluate the checkpoint alone")
    return parser.parse_args(argv)


def train_variant(args: argparse.Namespace, name: str, flags: list[str]) -> RedNetwork:
    """Train a variant, or go on with it, and give its averaged network."""
    folder = args.out / name.replace(" ", "-")
    argv = ["--data", str(args.data), "--out", str(folder), "--stills", str(args.stills)]
    argv += ["--temporal", str(args.temporal), "--batch", str(args.batch), "--every", "400"]
    argv += ["--threads", str(args.threads), *(["--limit", str(args.limit)] if args.limit else []), *flags]
    Trainer(training_arguments(argv)).run()
    return load_network(folder / NAME)


def evaluate(name: str, network: RedNetwork, tight: list[LabelledFace], people: list[LabelledFace]) -> list[str]:
    """The lines of one network."""
    lines = [f"== {name}", "single frames (300w/val, box error by the protocol): NME %, in brackets over 8 %"]
    for row, errors in still_figures(network, draw(tight, upright=True)).items():
        lines.append(f"  {row:<44}{100 * errors.mean():>7.2f}  ({100 * (errors > 0.08).mean():.1f})")
    lines.append(f"video (stills in motion, {FRAMES} frames): NME %, jitter % of the eye distance")
    for row, (error, jitter) in video_figures(network, tight[:VIDEO_FACES], FRAMES).items():
        lines.append(f"  {row:<44}{100 * error:>7.2f}{100 * jitter:>8.2f}")
    if people:
        found = identity_figures(network, people)
        lines.append("same person or not (ytf/val pairs, cosine): AUC")
        lines += [f"  {row:<44}{value:>7.3f}" for row, value in found.items()]
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing, evaluate, print and write ``ablation.txt``."""
    args = arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    tight = read_faces(args.data / "300w" / "val", limit=args.limit)
    folder = args.data / "ytf" / "val"
    people = read_faces(folder, with_person=True, limit=args.limit) if folder.is_dir() else []
    lines: list[str] = []
    if args.checkpoint is not None:
        lines += evaluate(f"the run of {args.checkpoint}", load_network(args.checkpoint), tight, people)
    if not args.evaluate_only:
        for name, flags in VARIANTS.items():
            lines += evaluate(f"{name}, {args.stills} steps", train_variant(args, name, flags), tight, people)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "ablation.txt").write_text("\n".join(lines) + "\n", "utf-8")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
