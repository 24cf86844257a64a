"""The loss of one batch of stills: all passes of the rows that begin a track, one pass of the tracked rows."""

from __future__ import annotations

import torch
from torch import Tensor

from red.batches import StillBatch
from red.losses import (
    confidence_loss,
    coordinate_loss,
    detection_loss,
    eye_px,
    identity_loss,
    map_targets,
)
from red.network import PassResult, RedNetwork
from red.validate import to_image

PASS_WEIGHTS = (0.6, 0.8, 1.0)
MAPS, CENTRES, IDENTITY, CONFIDENCE = 1.0, 0.3, 0.1, 1.0


def still_loss(network: RedNetwork, batch: StillBatch) -> tuple[Tensor, dict[str, float]]:
    """Loss and its parts (for the log)."""
    rows = len(batch.crop)
    begin = batch.acquire
    stem = network.stem(to_image(batch.crop))
    sizes = network.preset.square_px
    prior = torch.cat([network.mean_prior(begin), batch.prior[begin:]])
    square = torch.full((rows, 1), sizes[-1])
    square[:begin] = sizes[0]
    memory = network.fresh_memory(rows)
    total = torch.zeros(())
    parts: dict[str, float] = {}
    for number, size in enumerate(sizes):
        result = network.one_pass(stem, prior, square, memory)
        loss, parts = _pass_loss(network, result, batch, len(prior), last=number == len(sizes) - 1)
        total = total + PASS_WEIGHTS[number] * loss
        # From the second pass on only the rows that begin a track go on.
        prior, stem, memory = result.points[:begin].detach(), stem[:begin], memory[:begin]
        square = torch.full((begin, 1), size if number + 1 >= len(sizes) else sizes[number + 1])
    return total, parts


def _pass_loss(
    network: RedNetwork, result: PassResult, batch: StillBatch, rows: int, *, last: bool
) -> tuple[Tensor, dict[str, float]]:
    truth, weight, face = batch.points[:rows], batch.weight[:rows], batch.face[:rows]
    eyes = eye_px(truth, network.scheme)
    classes, pixels = map_targets(truth)
    points = coordinate_loss(result.points, truth, weight, eyes)
    centres = coordinate_loss(result.centres, truth, weight, eyes)
    maps = detection_loss(result.maps, classes, pixels, weight)
    sure = confidence_loss(result.confidence, result.points, truth, eyes, face, weight)
    identity = identity_loss(network.f_cls(result.code_id), batch.person[:rows])
    loss = points + CENTRES * centres + MAPS * maps + CONFIDENCE * sure + IDENTITY * identity
    parts = {"points": points, "centres": centres, "maps": maps, "confidence": sure, "identity": identity}
    return loss, {k: float(v.detach()) for k, v in parts.items()} if last else {}
