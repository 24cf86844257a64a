"""Pooling that keeps its places, the centres of response maps, and points drawn for the next pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from red.models.edge.pooling import SHARE, pool_with_positions, unpool
from red.models.edge.spatial import MapCentres, SpatialRecurrence, cell_centres
from red.models.presets import EDGE

PEAK = 1e4


def apart_map(seed: int) -> Tensor:
    """A ReLU map in which the four values of every window differ by more than SHARE; one of them is 0."""
    order = torch.rand(2, 3, 4, 6, 8, generator=torch.Generator().manual_seed(seed)).argsort(dim=2)
    return F.relu(F.pixel_shuffle((order * 2.0 * SHARE).flatten(1, 2), 2))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_pooling_and_unpooling_agree_with_torch_where_values_are_apart(layout: torch.memory_format) -> None:
    x = apart_map(0).contiguous(memory_format=layout)
    wanted, indices = F.max_pool2d(x, 2, return_indices=True)
    pooled, places = pool_with_positions(x)
    assert torch.equal(pooled, wanted)
    torch.testing.assert_close(places.claim, F.max_unpool2d(torch.full_like(pooled, SHARE), indices, [2, 2]))
    other = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(unpool(other, places), F.max_unpool2d(other, indices, [2, 2]))


@pytest.mark.parametrize(
    ("window", "wanted"),
    [
        ((0.0, 0.0, 0.0, 0.0), (1 / 4, 1 / 4, 1 / 4, 1 / 4)),
        ((0.7, 0.0, 0.7, 0.3), (1 / 2, 0, 1 / 2, 0)),
        ((0.5, 0.5 + SHARE / 2, 0.0, 0.0), (1 / 3, 2 / 3, 0, 0)),
        ((0.0, 0.0, 0.5, 0.5 + 1.01 * SHARE), (0, 0, 0, 1)),
        ((0.0, SHARE / 4, 0.0, 0.0), (0.75 / 3.25, 1 / 3.25, 0.75 / 3.25, 0.75 / 3.25)),
    ],
)
def test_nearly_equal_values_share_the_place_in_proportion(
    window: tuple[float, ...], wanted: tuple[float, ...]
) -> None:
    pooled, places = pool_with_positions(torch.tensor(window).reshape(1, 1, 2, 2))
    shares = unpool(torch.ones(1, 1, 1, 1), places).flatten()
    torch.testing.assert_close(shares, torch.tensor(wanted, dtype=torch.float32), atol=1e-5, rtol=0)
    assert pooled.item() == pytest.approx(max(window))


def test_rounding_of_a_flat_map_hardly_moves_what_is_unpooled() -> None:
    flat = torch.full((1, 2, 8, 8), 0.8)
    rounding = 1e-6 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(4))
    one, other = (unpool(*pool_with_positions(x)) for x in (flat, flat + rounding))
    torch.testing.assert_close(one, other, atol=2e-5, rtol=0)


def test_unpooling_keeps_each_sum_and_passes_its_gradient_to_values_not_to_places() -> None:
    x = F.relu(torch.randn(2, 3, 12, 16, generator=torch.Generator().manual_seed(5))).requires_grad_()
    pooled, places = pool_with_positions(x)
    assert not any(part.requires_grad for part in places)
    values = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(6)).requires_grad_()
    spread = unpool(values, places)
    torch.testing.assert_close(F.avg_pool2d(spread, 2) * 4, values)
    (spread * 3.0).sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad, torch.full_like(values, 3.0))


@pytest.mark.parametrize("value", [0.0, -30.0, 1e30, -1e30])
def test_a_constant_map_has_its_centre_in_the_middle_never_nan(value: float) -> None:
    centres, spread = MapCentres()(torch.full((2, 3, 32, 32), value))
    torch.testing.assert_close(centres, torch.full((2, 3, 2), 63.5), atol=1e-3, rtol=0)
    assert torch.isfinite(spread).all()


@pytest.mark.parametrize(("row", "column"), [(0, 0), (31, 0), (7, 22), (31, 31)])
def test_a_single_strong_peak_has_its_cells_exact_centre(row: int, column: int) -> None:
    maps = torch.zeros(1, 2, 32, 32)
    maps[0, 1, row, column] = PEAK
    centres, spread = MapCentres()(maps)
    torch.testing.assert_close(centres[0, 1], torch.tensor([4 * column + 1.5, 4 * row + 1.5]))
    torch.testing.assert_close(centres[0, 0], torch.tensor([63.5, 63.5]))
    assert spread[0, 1].item() == pytest.approx(0.0, abs=1e-6)
    assert spread[0, 0].item() > 7.0


def test_a_point_is_drawn_at_its_nearest_cell_and_keeps_its_sub_pixel_part() -> None:
    points = torch.tensor([[[1.5, 125.5], [40.3, 77.9], [63.2, 64.9]]])
    for size in EDGE.square_px:
        drawn = SpatialRecurrence(EDGE, 3).draw(points, torch.tensor([[size]]))
        assert drawn.shape == (1, 3, 32, 32)
        assert drawn[0, 0, 31, 0].item() == 1.0
        flat = drawn[0].flatten(1).argmax(1)
        nearest = ((points[0] - 1.5) / 4).round().long()
        assert torch.equal(flat, nearest[:, 1] * 32 + nearest[:, 0])
        x = (drawn.sum(2) * cell_centres()).sum(-1) / drawn.sum((2, 3))
        y = (drawn.sum(3) * cell_centres()).sum(-1) / drawn.sum((2, 3))
        torch.testing.assert_close(torch.stack([x, y], -1)[0, 1:], points[0, 1:], atol=0.01, rtol=0)


def test_a_larger_square_is_drawn_wider_and_points_far_away_not_at_all() -> None:
    points = torch.tensor([[[60.0, 60.0], [-1e9, 60.0], [float("inf"), 1e9]]])
    sums = [SpatialRecurrence(EDGE, 3).draw(points, torch.tensor([[s]])).sum((0, 2, 3)) for s in EDGE.square_px]
    assert sums[0][0] > sums[1][0] > sums[2][0] > 0
    assert all(0 <= s[1] < 1e-10 and 0 <= s[2] < 1e-10 for s in sums)


def test_no_subnormal_number_is_drawn_nor_multiplied() -> None:
    """They cost some processors a hundred times the time of others: a third of a step."""
    points = torch.rand(1, 68, 2, generator=torch.Generator().manual_seed(7)) * 400.0 - 136.0
    smallest = torch.finfo(torch.float32).tiny
    for size in EDGE.square_px:
        drawn = SpatialRecurrence(EDGE, 68).draw(points, torch.tensor([[size]]))
        assert drawn.min() > 1e3 * smallest  # A weight of a thousandth times that is normal still.


def test_the_spread_is_the_variance_of_the_map() -> None:
    maps = torch.full((1, 1, 32, 32), -PEAK)
    maps[0, 0, 10, 4] = maps[0, 0, 10, 12] = 0.0  # two equal peaks, 32 px apart
    centres, spread = MapCentres()(maps)
    torch.testing.assert_close(centres[0, 0], torch.tensor([4 * 8 + 1.5, 41.5]))
    assert spread.item() == pytest.approx(float(np.log(16.0**2 + 1.0)), abs=1e-4)
