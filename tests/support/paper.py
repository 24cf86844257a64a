"""The paper's network and data for tests: narrow widths, untrained but with signals of the usual size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from export.parity import moving_faces
from red.models.paper.network import PaperNetwork
from red.models.paper.preset import PAPER, PaperPreset
from red.training.validate import to_image
from red_align.datasets.pts import write_pts
from tests.support.faces import astronaut_face

THIN = replace(PAPER, widths=(8, 12, 16, 24, 32), reg=(8, 12, 16, 16, 16), reg_hidden=32, lstm=16)
"""The layers of the paper's network with few channels."""


def lively_paper(preset: PaperPreset, offsets: float = 0.005) -> PaperNetwork:
    """A network whose batch norms know their inputs and whose f_REG answers (a new one gives the mean shape)."""
    torch.manual_seed(0)
    network = PaperNetwork(preset).train()
    nn.init.normal_(network.f_reg.offsets.weight, std=offsets)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5
    faces = to_image(torch.from_numpy(moving_faces(4, 1)[:, 0]))
    with torch.no_grad():
        for _ in range(2):
            network.acquire(faces, network.mean_prior(4), network.fresh_memory(4))
    return network.eval()


def write_paper_data(root: Path, clips: tuple[int, ...] = (5,)) -> Path:
    """A data set as the paper's training expects it: faces, two persons, and clips of so many frames."""
    folders = ["300w/train"] * 3 + ["300w/val"] + ["ytf/train/Ann/0"] * 2 + ["ytf/train/Bob/1"]
    for number, folder in enumerate(folders):
        face = astronaut_face(left=9 * number, top=5 * (number % 3))
        path = root / folder / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.cvtColor(face.image, cv2.COLOR_RGB2BGR))
        write_pts(path.with_suffix(".pts"), face.points)
    for number, frames in enumerate(clips):
        write_clip(root / "300vw" / f"{number:03d}", list(range(1, frames + 1)), frames)
    return root


def write_clip(folder: Path, annotated: list[int], frames: int) -> None:
    """A clip as in 300-VW, in which the face goes 3 px to the left a frame; some frames have points."""
    (folder / "annot").mkdir(parents=True)
    writer = cv2.VideoWriter(str(folder / "vid.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (400, 300))
    assert writer.isOpened()
    for number in range(1, frames + 1):
        face = astronaut_face(left=3 * number)
        writer.write(np.ascontiguousarray(face.image[:300, :400, ::-1]))
        if number in annotated:
            write_pts(folder / "annot" / f"{number:06d}.pts", face.points)
    writer.release()
