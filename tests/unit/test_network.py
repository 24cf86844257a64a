"""The network as a whole: shapes, memory, identity, and what the passes share."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from export.parity import moving_faces
from landmarks.schemes import SCHEMES
from red.network import RedNetwork
from red.presets import EDGE, preset_from_dict
from red.validate import to_image
from tests.unit.networks import lively_network


@pytest.fixture(scope="module", params=sorted(SCHEMES))
def network(request: pytest.FixtureRequest) -> RedNetwork:
    return lively_network(request.param)


@pytest.fixture(scope="module")
def untaught(network: RedNetwork) -> RedNetwork:
    """The same network with f_REG and f_tRNN as they begin."""
    new = RedNetwork(network.preset).eval()
    taught = {k: v for k, v in network.state_dict().items() if not k.startswith(("f_reg.", "f_trnn."))}
    new.load_state_dict(taught, strict=False)
    return new


@pytest.fixture(scope="module")
def image() -> Tensor:
    return to_image(torch.from_numpy(moving_faces(3, 1)[:, 0]))


def some_memory(network: RedNetwork, rows: int = 3) -> Tensor:
    return torch.randn(rows, network.preset.memory, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def test_every_output_has_its_shape(network: RedNetwork, image: Tensor) -> None:
    points = network.scheme.num_points
    passes = network.acquire(image, network.mean_prior(3), network.fresh_memory(3))
    assert len(passes) == len(EDGE.square_px) == 3
    for result in [*passes, network.track(image, passes[-1].points, passes[-1].memory)]:
        assert result.points.shape == result.centres.shape == result.measured.shape == (3, points, 2)
        assert result.confidence.shape == (3, points)
        assert result.maps.shape == (3, points + 1, 32, 32)
        assert result.memory.shape == (3, 256)
        assert result.code_id.shape == (3, EDGE.code // 2, 4, 4)
        assert network.f_cls(result.code_id).shape == (3, 5)
        assert all(torch.isfinite(t).all() for t in result)


@torch.no_grad()
def test_what_a_new_network_measures_are_the_centres_of_its_maps(untaught: RedNetwork, image: Tensor) -> None:
    result = untaught.track(image, untaught.mean_prior(3), untaught.fresh_memory(3))
    assert (result.measured - untaught.mean_prior(3)).abs().max() > 10
    torch.testing.assert_close(result.measured, result.centres, atol=1e-3, rtol=0)


@torch.no_grad()
def test_the_prior_reaches_the_maps(network: RedNetwork, image: Tensor) -> None:
    prior, memory = network.mean_prior(3), network.fresh_memory(3)
    moved = network.track(image, prior + 3.0, memory).maps
    assert (moved - network.track(image, prior, memory).maps).abs().mean() > 0.05


@torch.no_grad()
def test_a_new_network_ignores_its_memory_but_keeps_one(untaught: RedNetwork, image: Tensor) -> None:
    prior = untaught.mean_prior(3)
    fresh, used = (untaught.track(image, prior, m) for m in (untaught.fresh_memory(3), some_memory(untaught)))
    assert torch.equal(fresh.points, used.points)
    assert torch.equal(fresh.confidence, used.confidence)
    assert fresh.memory.abs().max() > 1e-3
    assert (fresh.memory - used.memory).abs().max() > 1e-2


@torch.no_grad()
def test_memory_changes_the_points_but_not_the_identity_code(network: RedNetwork, image: Tensor) -> None:
    prior = network.mean_prior(3)
    fresh, used = (network.track(image, prior, m) for m in (network.fresh_memory(3), some_memory(network)))
    assert (fresh.points - used.points).abs().mean() > 0.2
    assert torch.equal(fresh.code_id, used.code_id)


@torch.no_grad()
def test_the_identity_code_does_not_enter_the_memory(network: RedNetwork, image: Tensor) -> None:
    prior, memory = network.mean_prior(3), some_memory(network)
    other = deepcopy(network)
    other.f_enc.stage4[0].weight[: EDGE.code // 2].neg_()
    before, after = (n.track(image, prior, memory) for n in (network, other))
    assert (before.code_id - after.code_id).abs().max() > 0.1
    torch.testing.assert_close(before.memory, after.memory)


@torch.no_grad()
def test_a_tracked_step_is_a_last_pass_from_the_same_memory(network: RedNetwork, image: Tensor) -> None:
    memory = some_memory(network)
    passes = network.acquire(image, network.mean_prior(3), memory)
    again = network.track(image, passes[1].points, memory)
    torch.testing.assert_close(again.points, passes[2].points)
    torch.testing.assert_close(again.memory, passes[2].memory)


@torch.no_grad()
def test_passes_share_all_weights(network: RedNetwork, image: Tensor) -> None:
    single = RedNetwork(replace(network.preset, square_px=(7.0,))).eval()
    single.load_state_dict(network.state_dict())
    assert sum(p.numel() for p in single.parameters()) == sum(p.numel() for p in network.parameters())
    start = network.mean_prior(3), network.fresh_memory(3)
    torch.testing.assert_close(single.acquire(image, *start)[0].points, network.acquire(image, *start)[0].points)


def test_a_preset_survives_json_and_refuses_too_much_memory() -> None:
    preset = replace(EDGE, scheme="ibug7", square_px=(5.0, 3.0))
    assert preset_from_dict(json.loads(json.dumps(preset.as_dict()))) == preset
    with pytest.raises(ValueError, match="1026"):
        replace(EDGE, lstm=513)
