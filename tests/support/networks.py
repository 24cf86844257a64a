"""Networks for tests: untrained, but with activations and answers of the size that trained ones have."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from export.parity import moving_faces
from red.models.edge.network import RedNetwork
from red.models.presets import EDGE
from red.training.validate import to_image


def lively_network(scheme: str, square_px: tuple[float, ...] = EDGE.square_px) -> RedNetwork:
    """A network with random weights whose batch norms know their inputs and whose memory speaks.

    A new network's statistics are 0 and 1, so that its signal all but vanishes before the maps.
    """
    torch.manual_seed(0)
    network = RedNetwork(replace(EDGE, scheme=scheme, square_px=square_px, identities=5)).train()
    # Larger ones would make a chaos of a network that follows its own points: rounding would grow to 40 px.
    nn.init.normal_(network.f_denc.maps.weight, std=0.06)
    nn.init.normal_(network.f_reg.offsets.weight, std=0.003)
    nn.init.normal_(network.f_reg.fusion.shares.weight, std=0.02)
    nn.init.normal_(network.f_reg.fusion.gains.weight, std=0.02)
    nn.init.normal_(network.f_reg.fusion.own.answer.weight, std=0.02)
    nn.init.normal_(network.f_trnn.expand.weight, std=0.4)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5
    faces = to_image(torch.from_numpy(moving_faces(12, 1)[:, 0]))
    with torch.no_grad():
        for _ in range(9 // len(square_px)):  # so many passes, whatever a frame has of them
            network.acquire(faces, network.mean_prior(12), network.fresh_memory(12))
    return network.eval()
