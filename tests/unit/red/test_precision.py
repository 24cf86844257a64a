"""Feature maps in bfloat16: points hardly move, and what is kept stays float32."""

from __future__ import annotations

from copy import deepcopy

import torch

from export.parity import moving_faces
from red.training.precision import maps_in_bfloat16
from red.training.validate import to_image
from tests.support.networks import lively_network


@torch.no_grad()
def test_maps_in_bfloat16_move_points_little_and_leave_weights_and_answers_in_float32() -> None:
    plain = lively_network("ibug68")
    half = deepcopy(plain)
    maps_in_bfloat16(half)
    image = to_image(torch.from_numpy(moving_faces(3, 1)[:, 0]))
    one, other = (n.acquire(image, n.mean_prior(3), n.fresh_memory(3))[0] for n in (plain, half))
    for name, value in other._asdict().items():
        assert value.dtype == torch.float32, name
    away = (one.points - other.points).norm(dim=-1)
    assert 0.0 < away.max() < 2.0
    assert away.mean() < 0.3
    assert list(plain.state_dict()) == list(half.state_dict())
    assert all(value.dtype != torch.bfloat16 for value in half.state_dict().values())


def test_gradients_reach_every_convolution_in_float32() -> None:
    network = lively_network("ibug7").train()
    maps_in_bfloat16(network)
    image = to_image(torch.from_numpy(moving_faces(2, 1)[:, 0]))
    network.acquire(image, network.mean_prior(2), network.fresh_memory(2))[-1].points.sum().backward()
    for name in ("stem.layers.0.0.weight", "f_enc.stage8.0.0.weight", "f_denc.maps.weight", "f_srnn.mix.0.weight"):
        gradient = network.get_parameter(name).grad
        assert gradient is not None
        assert gradient.dtype == torch.float32
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() > 0
