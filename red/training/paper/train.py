"""Training of preset ``paper``: ``python -m red.training.paper.train --data ROOT --out runs/paper`` (resumes).

ROOT holds ``300w/train`` (and ``300w/val``, for the log), ``300vw`` with a folder a video, and ``ytf/train`` or
another folder with a folder a person. The stages follow each other as in the paper: detection, regression,
spatial, identity, temporal. Without 300-VW the last one learns from stills in motion.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import cv2
import torch

from red.models.paper.preset import PAPER, PaperPreset
from red.training.paper.trainer import Trainer
from red_align.schemes import SCHEMES

STEPS = {"detection": 20000, "regression": 10000, "spatial": 10000, "identity": 10000, "temporal": 5000}
"""Steps of each stage (ours)."""


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="root of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoint and log")
    parser.add_argument("--people", default="ytf/train", help="folder below ROOT whose first folders are persons")
    parser.add_argument(
        "--vgg", type=Path, help="VGG-16 to begin from: a state dict of torchvision's vgg16 or vgg16_bn"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--scheme", choices=sorted(SCHEMES), default="ibug68")
    parser.add_argument("--no-batch-norm", action="store_true", help="leave batch norm out (an ablation)")
    for name, steps in STEPS.items():
        parser.add_argument(f"--steps-{name}", type=int, default=steps, help=f"0 leaves the stage out; {steps}")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--sequences", type=int, default=8, help="faces of a temporal step")
    parser.add_argument("--frames", type=int, default=6, help="frames of each of them")
    parser.add_argument("--clip-frames", type=int, default=100, help="frames read of each 300-VW video")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--threads", type=int, default=4, help="threads that make batches")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=500, help="steps between lines of the log, with a checkpoint")
    parser.add_argument("--limit", type=int, help="faces read of each set, for a quick try")
    parser.add_argument("--strict", action="store_true", help="refuse bad data instead of skipping it")
    return parser.parse_args(given)


def main(given: list[str] | None = None, preset: PaperPreset = PAPER) -> None:
    """Entry point; a test gives narrower widths."""
    args = arguments(given)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)  # Batches are made by threads of our own.
    Trainer(args, preset).run()


if __name__ == "__main__":
    main()
