"""The loss of one batch of stills: all passes of the rows that begin a track, then one pass of a next view."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from red.data.batches import StillBatch
from red.models.edge.network import RedNetwork
from red.models.results import PassResult
from red.training.losses import (
    confidence_loss,
    coordinate_loss,
    detection_loss,
    eye_px,
    identity_loss,
    map_targets,
)
from red.training.validate import to_image

PASS_WEIGHTS = (0.6, 0.8, 1.0)
MAPS, CENTRES, MEASURED, IDENTITY, CONFIDENCE = 1.0, 0.3, 0.3, 0.1, 1.0


def still_loss(network: RedNetwork, batch: StillBatch, identity: float = IDENTITY) -> tuple[Tensor, dict[str, float]]:
    """Loss and its parts (for the log); ``identity`` weighs the identity loss."""
    begin = batch.acquire
    first = StillRows(batch.points[:begin], batch.weight[:begin], batch.face[:begin], batch.person[:begin])
    stem = network.stem(to_image(batch.crop))
    prior, memory = network.mean_prior(begin), network.fresh_memory(begin)
    classes = map_targets(first.points)  # the same for all passes
    total = torch.zeros(())
    for number, size in enumerate(network.preset.square_px):
        result = network.one_pass(stem[:begin], prior, network.sizes(prior, size), memory)
        loss, parts = _pass_loss(network, result, first, classes, identity)
        total = total + PASS_WEIGHTS[number] * loss
        prior = result.points.detach()
    again = len(batch.carry)
    if again:  # The same faces in a next frame, from the points and the memory of this one.
        then = StillRows(batch.points[begin:], batch.weight[begin:], batch.face[begin:], batch.person[begin:])
        prior = next_prior(prior[:again], batch.carry, batch.spoilt, network.mean)
        smallest = network.sizes(prior, network.preset.square_px[-1])
        tracked = network.one_pass(stem[begin:], prior, smallest, result.memory[:again])
        loss, more = _pass_loss(network, tracked, then, map_targets(then.points), identity)
        total = total + loss
        parts["tracked"] = more["points"]
    return total, parts


class StillRows(NamedTuple):
    """Truth of some rows: points [N, L, 2], weight, face and person [N]; see StillBatch."""

    points: Tensor
    weight: Tensor
    face: Tensor
    person: Tensor


def next_prior(points: Tensor, carry: Tensor, spoilt: Tensor, mean: Tensor) -> Tensor:
    """Points [N, L, 2] of one crop carried into the next by [N, 2, 3], then by ``spoilt`` [N] to the mean shape."""
    moved = points @ carry[:, :, :2].transpose(1, 2) + carry[:, None, :, 2]
    return moved + spoilt[:, None, None] * (mean - moved)


def _pass_loss(
    network: RedNetwork, result: PassResult, rows: StillRows, targets: tuple[Tensor, Tensor], share: float
) -> tuple[Tensor, dict[str, float]]:
    truth, weight, face, person = rows
    eyes = eye_px(truth, network.scheme)
    points = coordinate_loss(result.points, truth, weight, eyes)
    measured = coordinate_loss(result.measured, truth, weight, eyes)
    centres = coordinate_loss(result.centres, truth, weight, eyes)
    maps = detection_loss(result.maps, *targets, weight)
    sure = confidence_loss(result.confidence, result.points, truth, eyes, face, weight)
    identity = identity_loss(network.f_cls(result.code_id), person)
    loss = points + MEASURED * measured + CENTRES * centres
    loss = loss + MAPS * maps + CONFIDENCE * sure + share * identity
    parts = {"points": points, "centres": centres, "maps": maps, "confidence": sure, "identity": identity}
    return loss, {k: float(v.detach()) for k, v in parts.items()}
