"""The network as a whole: shapes, memory, identity, and what the passes share."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from export.parity import moving_faces
from red.models.edge.network import RedNetwork
from red.models.presets import EDGE, preset_from_dict
from red.training.validate import to_image
from red_align.schemes import SCHEMES
from tests.support.networks import lively_network


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
        assert result.memory.shape == (3, 256 + 2 * points)
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
    moved = network.track(image, prior + 4.0, memory).maps
    assert (moved - network.track(image, prior, memory).maps).abs().mean() > 0.02


@torch.no_grad()
def test_a_new_network_ignores_what_its_lstm_knows_but_keeps_it(untaught: RedNetwork, image: Tensor) -> None:
    prior, some = untaught.mean_prior(3), untaught.halted(some_memory(untaught))
    fresh, used = (untaught.track(image, prior, m) for m in (untaught.fresh_memory(3), some))
    assert torch.equal(fresh.points, used.points)
    assert torch.equal(fresh.confidence, used.confidence)
    assert fresh.memory.abs().max() > 1e-3
    assert (fresh.memory - used.memory).abs().max() > 1e-2


@torch.no_grad()
def test_memory_changes_the_points_but_not_the_identity_code(network: RedNetwork, image: Tensor) -> None:
    prior, some = network.mean_prior(3), network.halted(some_memory(network))
    fresh, used = (network.track(image, prior, m) for m in (network.fresh_memory(3), some))
    assert (fresh.points - used.points).abs().mean() > 0.2
    assert torch.equal(fresh.code_id, used.code_id)


@torch.no_grad()
def test_the_identity_code_does_not_enter_the_memory(network: RedNetwork, image: Tensor) -> None:
    prior, memory = network.mean_prior(3), some_memory(network)
    other = deepcopy(network)
    other.state_dict()["f_enc.stage4.0.weight"][: EDGE.code // 2].neg_()
    before, after = (n.track(image, prior, memory) for n in (network, other))
    assert (before.code_id - after.code_id).abs().max() > 0.1
    lstm = 2 * EDGE.lstm  # The motion behind it is that of the points, which both halves of the code tell.
    torch.testing.assert_close(before.memory[:, :lstm], after.memory[:, :lstm])


@torch.no_grad()
def test_a_tracked_step_is_a_last_pass_from_the_same_memory(network: RedNetwork, image: Tensor) -> None:
    memory = some_memory(network)
    passes = network.acquire(image, network.mean_prior(3), memory)
    again = network.track(image, passes[1].points, network.halted(memory))
    torch.testing.assert_close(again.points, passes[2].points)
    torch.testing.assert_close(network.halted(again.memory), passes[2].memory)


@torch.no_grad()
def test_the_prior_is_moved_on_by_the_motion_and_a_first_frame_knows_none(network: RedNetwork, image: Tensor) -> None:
    prior, halted = network.mean_prior(3), network.halted(some_memory(network))
    motion = torch.full((3, network.scheme.num_points, 2), 2.5)
    moving = halted + torch.cat([torch.zeros(3, 2 * EDGE.lstm), motion.flatten(1)], dim=1)
    ours, theirs = network.track(image, prior, moving), network.track(image, prior + motion, halted)
    torch.testing.assert_close(ours.measured, theirs.measured)
    torch.testing.assert_close(ours.maps, theirs.maps)
    assert (ours.memory - theirs.memory).abs().max() > 1.0  # of which some lasts
    first = network.acquire(image, prior, moving)[-1]
    torch.testing.assert_close(first.points, network.acquire(image, prior, halted)[-1].points)
    assert not first.memory[:, 2 * EDGE.lstm :].any()


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
    with pytest.raises(ValueError, match="1162"):
        replace(EDGE, lstm=513)
