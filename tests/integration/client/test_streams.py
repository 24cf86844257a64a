"""Live streams of the client while gateways die, drain, fall silent and come back: nothing is lost, nothing twice."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import numpy as np
import pytest
from cryptography.fernet import Fernet

import red_align
from tests.support.media import Image, carphone_frames, jpeg
from tests.support.servers import RunningServer, running_server

KEY = Fernet.generate_key().decode()
RATE = 30.0
KILLED_AT = 40
Results = list[red_align.FrameResult]


@pytest.fixture(scope="module")
def lasting() -> Iterator[RunningServer]:
    """A server that nobody disturbs; its key of tokens is that of all others here."""
    with running_server(TOKEN_KEYS=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(lasting: RunningServer) -> Results:
    """The clip as one stream without any fault."""
    with red_align.Client(lasting.grpc) as client, client.stream(carphone_frames(), frame_rate=RATE) as stream:
        return list(stream)


def check_whole(results: Results, wanted: Results) -> None:
    """Every frame once, in order, with the points and tracks of an undisturbed stream."""
    assert [r.index for r in results] == list(range(len(wanted)))
    for ours, theirs in zip(results, wanted, strict=True):
        assert (ours.time_s, ours.status) == (theirs.time_s, theirs.status)
        assert [f.track_id for f in ours.faces] == [f.track_id for f in theirs.faces] == [0]
        assert np.abs(ours.faces[0].landmarks.points - theirs.faces[0].landmarks.points).max() < 0.01


def with_fault(client: red_align.Client, fault: Callable[[], object], **choices: object) -> tuple[Results, int]:
    """All results of the clip, with a fault after some of them; and how often the stream went on elsewhere."""
    results = []
    with client.stream(carphone_frames(), frame_rate=RATE, **choices) as stream:  # type: ignore[arg-type]
        for result in stream:
            results.append(result)
            if len(results) == KILLED_AT:
                fault()
    assert stream.end.complete
    assert stream.end.frame_count == len(results)
    return results, stream.reconnects


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_a_stream_is_that_of_the_library(undisturbed: Results) -> None:
    with red_align.Tracker() as tracker:
        ours = [tracker.track(frame, i / RATE) for i, frame in enumerate(carphone_frames())]
    check_whole(undisturbed, ours)


def test_a_gateway_that_is_killed_is_followed_by_the_next_address(lasting: RunningServer, undisturbed: Results) -> None:
    with running_server(TOKEN_KEYS=KEY) as first:
        client = red_align.Client([first.grpc, lasting.grpc])
        results, reconnects = with_fault(client, first.process.kill)
        assert first.process.wait(timeout=30) == -signal.SIGKILL
    check_whole(results, undisturbed)
    assert reconnects == 1
    assert [r.index for r in results if r.resumed] == [next(r.index for r in results if r.resumed)]


@pytest.mark.parametrize("resume_every", [1, 1000])
def test_a_gateway_that_is_killed_and_started_again_goes_on(undisturbed: Results, resume_every: int) -> None:
    """With a token behind every frame; and without any, so that the stream begins again and all is sent once more."""
    port = str(free_port())
    again: list[RunningServer] = []
    over = threading.Event()

    def start_again() -> None:
        with running_server(TOKEN_KEYS=KEY, GRPC_PORT=port) as second:
            again.append(second)
            over.wait(60)

    restart = threading.Thread(target=start_again)
    with running_server(TOKEN_KEYS=KEY, GRPC_PORT=port) as first:

        def kill() -> None:
            first.process.kill()
            first.process.wait(timeout=30)
            restart.start()

        client = red_align.Client(f"127.0.0.1:{port}")
        results, reconnects = with_fault(client, kill, resume_every=resume_every)
    over.set()
    restart.join(timeout=60)
    check_whole(results, undisturbed)
    assert reconnects >= 1
    assert again


def test_a_gateway_that_drains_hands_its_streams_on(lasting: RunningServer, undisturbed: Results) -> None:
    with running_server(TOKEN_KEYS=KEY) as first:
        client = red_align.Client(f"{first.grpc},{lasting.grpc}")
        results, _ = with_fault(client, first.process.terminate, window=3)
        assert first.process.wait(timeout=30) == 0
    check_whole(results, undisturbed)


def test_a_gateway_that_answers_no_more_is_left(lasting: RunningServer, undisturbed: Results) -> None:
    with running_server(TOKEN_KEYS=KEY) as first:
        client = red_align.Client([first.grpc, lasting.grpc], timeout_s=1.5)
        try:
            results, _ = with_fault(client, lambda: first.process.send_signal(signal.SIGSTOP))
        finally:
            first.process.send_signal(signal.SIGCONT)
    check_whole(results, undisturbed)


def test_a_named_stream_survives_and_is_gone_on_with_by_its_name(lasting: RunningServer, undisturbed: Results) -> None:
    frames = [(frame, i / RATE) for i, frame in enumerate(carphone_frames())]
    with running_server(TOKEN_KEYS=KEY) as first:
        client = red_align.Client([first.grpc, lasting.grpc])
        results = []
        with client.stream(frames[:60], stream_id="camera 1", resume_every=1000) as stream:
            for result in stream:
                results.append(result)
                if len(results) == KILLED_AT:
                    first.process.kill()
    with red_align.Client(lasting.grpc).stream(frames[60:], stream_id="camera 1") as stream:
        results += stream
    check_whole(results, undisturbed)


def test_a_stream_that_finds_no_server_again_says_so() -> None:
    with running_server(TOKEN_KEYS=KEY) as first:
        client = red_align.Client(first.grpc, reconnect_s=1.0)
        with pytest.raises(red_align.ServerUnreachable, match="could not go on for 1 s: no RED Align server answers"):
            with_fault(client, first.process.kill)


def test_a_server_with_other_keys_of_tokens_is_named_as_what_is_wrong(server: RunningServer) -> None:
    with running_server() as first, pytest.raises(red_align.RedAlignError, match="the same RED_TOKEN_KEYS") as refused:
        with_fault(red_align.Client([first.grpc, server.grpc], reconnect_s=1.0), first.process.kill)
    assert refused.value.reason == "BAD_RESUME_TOKEN"


def test_latest_first_every_frame_has_its_answer_and_the_newest_is_processed(lasting: RunningServer) -> None:
    with red_align.Client(lasting.grpc).stream(carphone_frames() * 3, frame_rate=RATE, latest=True) as stream:
        results = list(stream)
    assert [r.index for r in results] == list(range(360))
    dropped = [r for r in results if r.status is red_align.FrameStatus.DROPPED]
    assert 0 < len(dropped) == stream.end.dropped_count < 360
    assert results[-1].status is red_align.FrameStatus.OK


def test_each_result_has_its_frame_in_either_order_of_colours(lasting: RunningServer, undisturbed: Results) -> None:
    bgr = [np.ascontiguousarray(frame[:, :, ::-1]) for frame in carphone_frames()[:20]]
    with red_align.Client(lasting.grpc).stream(iter(bgr), colour="bgr", frame_rate=RATE) as stream:
        with pytest.raises(red_align.InvalidRequest, match="no result was taken yet"):
            _ = stream.frame
        results = []
        for result in stream:
            results.append(result)
            assert stream.frame is bgr[result.index]
    check_whole(results, undisturbed[:20])


def test_a_frame_that_does_not_decode_has_its_error_and_the_stream_goes_on(lasting: RunningServer) -> None:
    first, last = jpeg(carphone_frames()[0]), jpeg(carphone_frames()[1])
    with red_align.Client(lasting.grpc).stream([first, first[:300], last], frame_rate=RATE) as stream:
        results = list(stream)
    assert [str(r.status) for r in results] == ["ok", "error", "ok"]
    assert results[1].error is not None
    assert results[1].error.reason == "BAD_FRAME"
    assert stream.end.complete


def test_a_wrong_frame_and_an_error_of_the_source_are_raised_behind_the_results_before_them(
    lasting: RunningServer,
) -> None:
    def broken_camera() -> Iterator[Image]:
        yield from carphone_frames()[:5]
        raise OSError("the camera is unplugged")

    wrong = [*carphone_frames()[:5], carphone_frames()[0].astype(np.float32)]
    for source, cls, says in (
        (broken_camera(), OSError, "the camera is unplugged"),
        (wrong, red_align.InvalidRequest, "frame 5 is float32, it must be uint8"),
    ):
        results: Results = []
        with (
            pytest.raises(cls, match=says),
            red_align.Client(lasting.grpc).stream(source, frame_rate=RATE) as stream,  # type: ignore[arg-type]
        ):
            results.extend(stream)
        assert stream.end.frame_count == 5


def test_a_stream_that_is_left_lets_go_of_its_source(lasting: RunningServer) -> None:
    released = threading.Event()

    def camera() -> Iterator[Image]:
        try:
            while True:
                yield carphone_frames()[0]
        finally:
            released.set()

    with red_align.Client(lasting.grpc).stream(camera()) as stream:
        assert next(stream).index == 0
    assert released.wait(5)
    assert list(stream) == []


def test_a_stream_without_frames_has_an_end(lasting: RunningServer) -> None:
    with red_align.Client(lasting.grpc).stream([]) as stream:
        assert list(stream) == []
    assert (stream.end.complete, stream.end.frame_count) == (True, 0)


async def frames_of(images: tuple[Image, ...]) -> AsyncIterator[Image]:
    for image in images:
        yield image


async def test_for_an_event_loop_a_killed_gateway_loses_nothing_either(
    lasting: RunningServer, undisturbed: Results
) -> None:
    with running_server(TOKEN_KEYS=KEY) as first:
        async with red_align.AsyncClient([first.grpc, lasting.grpc]) as client:
            both = await asyncio.gather(
                _killed(client, first, frames_of(carphone_frames())), _killed(client, first, carphone_frames())
            )
    for results in both:
        check_whole(results, undisturbed)


async def _killed(client: red_align.AsyncClient, server: RunningServer, frames: object) -> Results:
    results = []
    async with client.stream(frames, frame_rate=RATE) as stream:  # type: ignore[arg-type]
        async for result in stream:
            results.append(result)
            if len(results) == KILLED_AT:
                server.process.kill()
    assert stream.end.complete
    return results


async def test_for_an_event_loop_a_silent_gateway_is_left_and_waiting_may_be_cut_short(
    lasting: RunningServer, undisturbed: Results
) -> None:
    with running_server(TOKEN_KEYS=KEY) as first:
        async with (
            red_align.AsyncClient([first.grpc, lasting.grpc], timeout_s=1.5) as client,
            client.stream(carphone_frames(), frame_rate=RATE) as stream,
        ):
            results = [await anext(stream) for _ in range(KILLED_AT)]
            first.process.send_signal(signal.SIGSTOP)
            try:
                with pytest.raises(TimeoutError):  # noqa: PT012 - what was sent before comes until then
                    while True:
                        results.append(await asyncio.wait_for(anext(stream), 0.3))
                results += [result async for result in stream]
            finally:
                first.process.send_signal(signal.SIGCONT)
    check_whole(results, undisturbed)


async def test_for_an_event_loop_errors_come_behind_the_results_before_them(lasting: RunningServer) -> None:
    client = red_align.AsyncClient(lasting.grpc)
    results: Results = []
    wrong = [*carphone_frames()[:5], carphone_frames()[0][0]]
    async with client.stream(wrong, frame_rate=RATE) as stream:
        with pytest.raises(red_align.InvalidRequest, match="frame 5 has the shape"):  # noqa: PT012
            async for result in stream:
                results.append(result)
    assert [r.index for r in results] == list(range(5))
    await client.close()
