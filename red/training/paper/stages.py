"""The five stages of training in the paper's order, and the loss of a batch of stills in the first four."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from red.data.batches import StillBatch
from red.models.paper.network import PaperNetwork
from red.models.results import PassResult
from red.training.losses import confidence_loss, eye_px
from red.training.paper.losses import offset_loss, person_loss, pixel_classes, pixel_loss
from red.training.validate import to_image
from red_align.schemes import PointScheme

OFFSETS, CONFIDENCE, IDENTITY = 10.0, 0.1, 0.1
"""Weights of the terms beside the pixel-wise one (ours)."""


@dataclass(frozen=True)
class Stage:
    """What a stage trains. Parts that are not named are fixed, their batch norms too (which parts: ours)."""

    name: str
    trained: tuple[str, ...]
    regression: bool = True
    all_passes: bool = True
    identity: bool = False
    temporal: bool = False


STAGES = (
    Stage("detection", ("f_enc", "f_denc"), regression=False, all_passes=False),
    Stage("regression", ("f_enc", "f_denc", "f_reg"), all_passes=False),
    Stage("spatial", ("f_enc", "f_denc", "f_reg")),
    Stage("identity", ("f_enc", "f_denc", "f_reg", "f_cls"), identity=True),
    Stage("temporal", ("f_trnn", "f_denc", "f_reg"), temporal=True),
)


def set_stage(network: PaperNetwork, stage: Stage) -> list[torch.nn.Parameter]:
    """Open the parts that the stage trains, fix the others, and give the open parameters.

    In the temporal stage batch norm keeps its statistics everywhere: a few faces in motion would bend them.
    """
    network.preset = replace(network.preset, temporal=stage.temporal)
    network.zero_grad(set_to_none=True)
    for name, part in network.named_children():
        opened = name in stage.trained
        part.requires_grad_(opened)
        part.train(opened and not stage.temporal)
    return [p for p in network.parameters() if p.requires_grad]


@dataclass(frozen=True)
class Truth:
    """What is known of some rows: points [N, L, 2] in crop pixels, labels' weight and face (1 or 0) [N]."""

    points: Tensor
    weight: Tensor
    face: Tensor
    scheme: PointScheme


def still_loss(network: PaperNetwork, batch: StillBatch, stage: Stage) -> tuple[Tensor, dict[str, float]]:
    """Loss of a batch that holds first views alone, and its parts for the log; pass by pass from the mean shape."""
    device = network.mean.device
    image = to_image(batch.crop.to(device))
    truth = Truth(batch.points.to(device), batch.weight.to(device), batch.face.to(device), network.scheme)
    prior, memory = network.mean_prior(len(image)), network.fresh_memory(len(image))
    sizes = network.preset.square_px if stage.all_passes else network.preset.square_px[:1]
    total = torch.zeros((), device=device)
    parts: dict[str, float] = {}
    for size in sizes:
        result = network.one_pass(image, prior, network.sizes(prior, size), memory)
        loss, parts = pass_loss(result, truth, size, regression=stage.regression)
        total = total + loss / len(sizes)
        prior = result.centres
    if stage.identity:
        identity = person_loss(network.f_cls(result.code_id), batch.person.to(device))
        total = total + IDENTITY * identity
        parts["identity"] = float(identity.detach())
    return total, parts


def pass_loss(result: PassResult, truth: Truth, size: float, *, regression: bool) -> tuple[Tensor, dict[str, float]]:
    """Detection and, where asked for, regression and confidence (ours) of one pass; parts are of this pass."""
    pixels = pixel_loss(result.maps, pixel_classes(truth.points, size), truth.weight)
    parts = {"pixels": float(pixels.detach())}
    if not regression:
        return pixels, parts
    offsets = offset_loss(result.points, truth.points, truth.weight)
    eyes = eye_px(truth.points, truth.scheme)
    sure = confidence_loss(result.confidence.float(), result.points, truth.points, eyes, truth.face, truth.weight)
    parts |= {"offsets": float(offsets.detach()), "confidence": float(sure.detach())}
    return pixels + OFFSETS * offsets + CONFIDENCE * sure, parts
