"""The work of a tenant is a debt in pixels, paid off at a steady rate; memory for decoding is set aside."""

from __future__ import annotations

import pytest

from red_align.errors import Overloaded, TooLarge
from red_align.media.decode_process import MemoryBudget, MemoryShare
from service.limits.tenants import TenantLimits, Tenants
from service.limits.work import WorkLimit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_debt_beyond_a_second_of_work_refuses_until_it_is_paid_off() -> None:
    clock = Clock()
    work = WorkLimit(1000.0, clock)
    work.spend(900)
    work.check()
    work.spend(2000)
    assert work.wait_s == pytest.approx(1.9)
    with pytest.raises(Overloaded, match=r"1000 pixels a second.* 1\.9 s") as refused:
        work.check()
    assert refused.value.metadata == {"limit": "tenant_pixels_per_s"}
    clock.now += 1.8
    assert work.wait_s == pytest.approx(0.1)
    clock.now += 0.2
    work.check()
    assert work.owes
    clock.now += 5.0
    assert not work.owes


def test_without_a_rate_nothing_is_counted() -> None:
    work = WorkLimit(0.0)
    work.spend(10**12)
    work.check()
    assert (work.limited, work.wait_s, work.owes) == (False, 0.0, False)


def test_a_tenant_that_owes_is_remembered_and_then_forgotten() -> None:
    tenants = Tenants(TenantLimits(1, 1, 2, 0.0, 1e9))
    with tenants.of("ann") as share:
        share.work.spend(10**12)
    with tenants.of("ann") as again:
        assert again is share
        assert again.work.wait_s > 100
    with tenants.of("bob") as other:
        assert other.work.wait_s == 0.0
    assert len(tenants) == 1, "bob owes nothing"
    share.work.spend(-(10**13))
    with tenants.of("bob"):
        assert len(tenants) == 1


def test_a_tenants_streams_and_uploads_have_each_their_own_bound() -> None:
    with Tenants(TenantLimits(3, 2, 5, 0.0)).of("ann") as share:
        assert (share.streams.name, share.streams.limit) == ("tenant_max_streams", 3)
        assert (share.uploads.name, share.uploads.limit) == ("tenant_max_uploads", 2)


def test_memory_is_set_aside_up_to_the_limit_and_given_back() -> None:
    budget = MemoryBudget(1000)
    one, other = MemoryShare(budget), MemoryShare(budget)
    assert one.grow(400) is None
    assert one.grow(300) is None
    assert other.grow(600) is None
    assert budget.used == 1000
    assert isinstance(one.grow(401), Overloaded)
    assert isinstance(one.grow(1401), TooLarge)
    assert (one.held, budget.used) == (400, 1000)
    other.release()
    other.release()
    assert one.grow(401) is None
    one.release()
    assert budget.used == 0


def test_a_budget_without_a_limit_refuses_nothing() -> None:
    share = MemoryShare(MemoryBudget())
    assert share.grow(10**15) is None
