"""Exact positions of the paper's poolings, squares drawn pixel by pixel, and centres that are never NaN."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from red.models.paper.network import PaperNetwork
from red.models.paper.pooling import pool_with_positions, unpool
from red.models.paper.spatial import SpatialRecurrence
from tests.support.paper import THIN


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


MAPS = {
    "apart": random(2, 5, 8, 12),
    "behind a ReLU": F.relu(random(2, 5, 8, 12)),
    "few values": random(2, 5, 8, 12).round(),
    "all zeros": torch.zeros(2, 5, 8, 12),
}


@pytest.mark.parametrize("x", MAPS.values(), ids=MAPS.keys())
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_pooling_and_unpooling_are_torchs_ties_included(x: Tensor, layout: torch.memory_format) -> None:
    wanted, indices = F.max_pool2d(x, 2, return_indices=True)
    pooled, positions = pool_with_positions(x.contiguous(memory_format=layout))
    assert torch.equal(pooled, wanted)
    assert torch.equal(positions, ((indices // 12 % 2) * 2 + indices % 2).int())
    values = random(*pooled.shape, seed=1)
    assert torch.equal(unpool(values, positions), F.max_unpool2d(values, indices, [2, 2]))


@pytest.mark.parametrize(
    ("window", "place"),
    [
        ((0, 0, 0, 0), 0),
        ((0, 1, 1, 0), 1),
        ((0, 0, 2, 2), 2),
        ((1, 0, 0, 1), 0),
        ((0, 0, 0, 3), 3),
        ((-2, -1, -1, -1), 1),
    ],
)
def test_the_first_maximum_in_reading_order_wins(window: tuple[int, ...], place: int) -> None:
    pooled, positions = pool_with_positions(torch.tensor(window).float().reshape(1, 1, 2, 2))
    assert (pooled.item(), positions.item()) == (max(window), place)
    spread = unpool(torch.full((1, 1, 1, 1), 7.0), positions).flatten().tolist()
    assert spread == [7.0 if at == place else 0.0 for at in range(4)]


def test_gradients_pass_to_what_was_kept() -> None:
    x = random(1, 2, 6, 6, seed=2).requires_grad_()
    pooled, positions = pool_with_positions(x)
    back = unpool(pooled, positions)
    back.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, (back != 0).float())
    assert int(x.grad.sum()) == 2 * 9


def drawn(points: list[list[float]], size: float) -> Tensor:
    label = SpatialRecurrence(len(points)).draw(torch.tensor([points]), torch.tensor([[size]]))
    assert label.shape == (1, 1, 128, 128)
    return label[0, 0]


@pytest.mark.parametrize(("size", "reach"), [(7.0, 3), (5.0, 2), (3.0, 1)])
def test_a_square_has_its_exact_pixels(size: float, reach: int) -> None:
    wanted = torch.zeros(128, 128)
    wanted[60 - reach : 60 + reach + 1, 20 - reach : 20 + reach + 1] = 0.5
    wanted[100 - reach : 100 + reach + 1, 90 - reach : 90 + reach + 1] = 1.0
    assert torch.equal(drawn([[20.3, 59.6], [89.5, 100.49]], size), wanted)
    assert int((wanted > 0).sum()) == 2 * size**2


def test_later_points_cover_earlier_ones() -> None:
    label = drawn([[50.0, 50.0], [52.0, 50.0], [50.0, 52.0]], 5.0)
    assert label[48, 48].item() == pytest.approx(1 / 3)
    assert label[50, 50].item() == label[52, 52].item() == 1.0
    assert label[48, 52].item() == label[49, 50].item() == pytest.approx(2 / 3)
    assert label[50:55, 48:53].eq(1.0).all()


def test_squares_are_cut_at_the_edge_and_points_that_are_nowhere_are_not_drawn() -> None:
    inf, nan = float("inf"), float("nan")
    label = drawn([[0.0, 127.0], [130.0, 60.0], [inf, 5.0], [nan, 5.0], [-1e9, 1e9], [-2.0, 3.0]], 7.0)
    assert torch.equal(label[124:, :4], torch.full((4, 4), 1 / 6))
    assert torch.equal(label[57:64, 127:], torch.full((7, 1), 2 / 6))
    assert torch.equal(label[:7, :2], torch.ones(7, 2))
    assert int((label > 0).sum()) == 16 + 7 + 14


def test_centres_are_the_mean_of_the_pixels_that_a_point_wins() -> None:
    maps = torch.zeros(2, 4, 128, 128)
    maps[:, 0] = 1.0
    maps[0, 1, 10:13, 20:26] = 2.0
    maps[0, 2, 127, 0] = maps[0, 2, 127, 3] = 5.0
    maps[1, 1] = 3.0
    otherwise = torch.arange(12.0).reshape(2, 3, 2)
    centres = SpatialRecurrence(3).centres(maps, otherwise)
    assert centres[0].tolist() == [[22.5, 11.0], [1.5, 127.0], [4.0, 5.0]]
    assert centres[1].tolist() == [[63.5, 63.5], [8.0, 9.0], [10.0, 11.0]]


@pytest.mark.parametrize("value", [0.0, -1e30, 1e30])
def test_where_no_point_wins_a_pixel_all_have_their_stand_ins(value: float) -> None:
    maps = torch.full((2, 8, 128, 128), value)  # of equal maps the background is the first
    otherwise = random(2, 7, 2)
    assert torch.equal(SpatialRecurrence(7).centres(maps, otherwise), otherwise)


@torch.no_grad()
def test_a_network_that_sees_background_alone_goes_on_from_f_regs_points() -> None:
    torch.manual_seed(0)
    network = PaperNetwork(THIN).eval()
    background, offsets = network.f_denc.maps.bias, network.f_reg.offsets.bias
    assert background is not None
    assert offsets is not None
    background[0] = 1e6
    offsets.fill_(0.01)
    passes = network.acquire(torch.rand(2, 3, 128, 128), network.mean_prior(2), network.fresh_memory(2))
    for result in passes:
        assert result.maps.argmax(1).eq(0).all()
        torch.testing.assert_close(result.centres, network.mean_prior(2) + 1.28)
        assert all(torch.isfinite(t).all() for t in result)


def test_one_missing_point_leaves_the_others_alone() -> None:
    maps = torch.zeros(1, 4, 128, 128)
    maps[0, 1, 5, 5] = maps[0, 3, 9, 9] = 1.0
    centres = SpatialRecurrence(3).centres(maps, torch.full((1, 3, 2), 77.0))
    assert centres[0].tolist() == [[5.0, 5.0], [77.0, 77.0], [9.0, 9.0]]
