"""What a stream is between two frames: its bytes, the tokens that seal them, streams kept by name, and bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from red_align.contract import CONTRACT_VERSION
from red_align.engine.base import ModelInfo
from red_align.errors import (
    BadResumeToken,
    ConfigurationError,
    ExpiredResumeToken,
    InvalidRequest,
    Overloaded,
    StreamBusy,
)
from red_align.schemes import IBUG7, IBUG68
from red_align.tracking.state import TrackerState, TrackState
from service.limits.admission import Admission
from service.streams.registry import StreamRegistry
from service.streams.resume_token import TokenSealer, read_token_keys

MODEL = ModelInfo("edge", "edge-3", CONTRACT_VERSION, IBUG68, 392, "embedded")


def state(faces: int = 1, next_index: int = 15) -> TrackerState:
    rng = np.random.default_rng(faces)
    tracks = tuple(
        TrackState(
            number,
            rng.normal(200, 50, (68, 2)),
            rng.uniform(0, 1, 68).astype(np.float32),
            rng.normal(0, 1, 392).astype(np.float32),
            rng.normal(0, 0.04, 576).astype(np.float32),
        )
        for number in range(faces)
    )
    return TrackerState(tracks, faces, next_index, (640, 480), 3, 1.25)


def same(one: TrackerState, other: TrackerState) -> bool:
    for a, b in zip(one.tracks, other.tracks, strict=True):
        assert a.track_id == b.track_id
        np.testing.assert_array_equal(a.points, b.points)
        np.testing.assert_array_equal(a.confidence, b.confidence)
        np.testing.assert_array_equal(a.memory, b.memory)
        np.testing.assert_allclose(a.appearance, b.appearance, atol=1e-3)
    return replace(one, tracks=()) == replace(other, tracks=())


@pytest.mark.parametrize("given", [state(0), state(1), state(8), replace(state(0), size=None, time_s=None)])
def test_a_state_comes_back_from_its_bytes(given: TrackerState) -> None:
    assert same(TrackerState.from_bytes(given.to_bytes()), given)


@pytest.mark.parametrize("bad", [b"", b"\x00", b"\x97\x02", b"nonsense", state().to_bytes()[:-1]])
def test_other_bytes_are_no_state(bad: bytes) -> None:
    with pytest.raises(ValueError, match="not the state"):
        TrackerState.from_bytes(bad)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_tokens_open_for_their_tenant_and_model_alone(clock: Clock) -> None:
    sealer = TokenSealer([], 60.0, clock)
    token = sealer.seal(state(), "ann", MODEL)
    assert same(sealer.open(token, "ann", MODEL), state())
    with pytest.raises(BadResumeToken, match="not one of this service"):
        sealer.open(token, "bob", MODEL)
    for other in (replace(MODEL, training_run="edge-4"), replace(MODEL, scheme=IBUG7), replace(MODEL, memory_size=1)):
        with pytest.raises(BadResumeToken, match="another model"):
            sealer.open(token, "ann", other)
    assert same(sealer.open(token, "ann", replace(MODEL, engine="triton")), state())


def test_a_forged_or_damaged_token_is_refused(clock: Clock) -> None:
    sealer = TokenSealer([], 60.0, clock)
    token = sealer.seal(state(), "ann", MODEL)
    strange = TokenSealer([], 60.0, clock).seal(state(), "ann", MODEL)
    swapped = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
    for bad in ("", "x", "ü", token[:-4], token[4:], swapped, strange):
        with pytest.raises(BadResumeToken) as refused:
            sealer.open(bad, "ann", MODEL)
        assert not isinstance(refused.value, ExpiredResumeToken)


def test_a_token_expires(clock: Clock) -> None:
    sealer = TokenSealer([], 60.0, clock)
    token = sealer.seal(state(), "ann", MODEL)
    clock.now += 59
    assert same(sealer.open(token, "ann", MODEL), state())
    clock.now += 2
    with pytest.raises(ExpiredResumeToken, match="older than 60 s"):
        sealer.open(token, "ann", MODEL)


def test_keys_rotate(clock: Clock) -> None:
    old, new = read_token_keys(SecretStr(", ".join(Fernet.generate_key().decode() for _ in range(2))))
    token = TokenSealer([old], 60.0, clock).seal(state(), "", MODEL)
    rotated = TokenSealer([new, old], 60.0, clock)
    assert same(rotated.open(token, "", MODEL), state())
    assert same(TokenSealer([new], 60.0, clock).open(rotated.seal(state(), "", MODEL), "", MODEL), state())
    with pytest.raises(BadResumeToken):
        TokenSealer([new], 60.0, clock).open(token, "", MODEL)
    with pytest.raises(ConfigurationError, match="RED_TOKEN_KEYS"):
        read_token_keys(SecretStr("short"))


def test_the_size_of_tokens_is_printed_and_bounded(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {faces: len(TokenSealer([], 60.0, clock).seal(state(faces), "tenant", MODEL)) for faces in (1, 8)}
    with capsys.disabled():
        print(f"\nresume token: {sizes[1]} bytes with 1 face, {sizes[8]} with 8")
    assert sizes[1] < 8 * 1024
    assert sizes[8] < 48 * 1024


def test_a_stream_goes_on_where_it_stopped_and_for_its_tenant_alone(clock: Clock) -> None:
    kept = StreamRegistry(60.0, 8, clock)
    lease = kept.lease("ann", "cam1")
    assert lease.state is None
    lease.state = state()
    kept.release(lease)
    assert kept.lease("bob", "cam1").state is None
    again = kept.lease("ann", "cam1")
    assert again.state is not None
    assert same(again.state, state())


def test_a_stream_in_use_is_busy_until_it_is_given_back(clock: Clock) -> None:
    kept = StreamRegistry(60.0, 8, clock)
    lease = kept.lease("ann", "cam1")
    with pytest.raises(StreamBusy, match="cam1"):
        kept.lease("ann", "cam1")
    kept.lease("bob", "cam1")
    kept.release(lease)
    kept.lease("ann", "cam1")


def test_streams_without_a_name_are_never_kept(clock: Clock) -> None:
    kept = StreamRegistry(60.0, 8, clock)
    one, two = kept.lease("ann", ""), kept.lease("ann", "")
    one.state = two.state = state()
    kept.release(one)
    kept.release(two)
    assert len(kept) == 0
    assert kept.lease("ann", "").state is None


def test_streams_expire_and_too_many_push_the_oldest_out(clock: Clock) -> None:
    kept = StreamRegistry(60.0, 2, clock)
    for name in ("a", "b", "c"):
        lease = kept.lease("ann", name)
        lease.state = state()
        kept.release(lease)
        clock.now += 10
    assert len(kept) == 2
    assert kept.lease("ann", "a").state is None
    clock.now += 45  # b is 65 s old, c 55 s
    assert kept.lease("ann", "b").state is None
    assert kept.lease("ann", "c").state is not None


def test_a_long_name_is_refused(clock: Clock) -> None:
    with pytest.raises(InvalidRequest, match="128"):
        StreamRegistry(60.0, 2, clock).lease("", "x" * 129)


def test_slots_are_counted_and_given_back_in_every_ending() -> None:
    slots = Admission("max_streams", 2)
    with slots.acquire_slot():
        with pytest.raises(KeyError), slots.acquire_slot():
            raise KeyError
        with slots.acquire_slot(), pytest.raises(Overloaded) as refused, slots.acquire_slot():
            raise AssertionError
    assert refused.value.metadata == {"limit": "max_streams"}
    assert (slots.active, slots.refused) == (0, 1)
