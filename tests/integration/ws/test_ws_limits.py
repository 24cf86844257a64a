"""What bounds a stream over a WebSocket: keys, origins, sizes, idle time, shares, and draining."""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.media import carphone_frames, jpeg
from tests.support.rest import gauge, wait_until
from tests.support.servers import RunningServer, running_server
from tests.support.websocket import opened, stream

MESSAGE_BYTES = 400_000


@pytest.fixture(scope="module")
def small() -> Iterator[RunningServer]:
    """Low limits; nobody is asked for a key."""
    limits = {"MAX_STREAMS": "2", "STREAM_IDLE_S": "1.5", "FIRST_MESSAGE_S": "1", "CLIENT_TIMEOUT_S": "2"}
    with running_server(MAX_MESSAGE_BYTES=str(MESSAGE_BYTES), CORS_ORIGINS="https://friend.example", **limits) as one:
        yield one


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Two tenants, one stream each."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text("".join(f"{name} {hashlib.sha256(key_of(name).encode()).hexdigest()}\n" for name in ("ann", "bob")))
    with running_server(API_KEYS_FILE=str(file), TENANT_MAX_STREAMS="1") as running:
        yield running


def key_of(name: str) -> str:
    return f"{name}-key-of-32-characters-and-more"


def picture() -> bytes:
    return jpeg(carphone_frames()[0])


def refusal(server: RunningServer, query: str = "", **headers: str) -> httpx.Response:
    """The answer of a handshake that is refused, in our shape."""
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(f"{server.http}/v1/stream{query}", headers=handshake | named)


def reason(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["reason"]


@pytest.mark.parametrize(
    "options",
    [
        {"additional_headers": {"Authorization": f"Bearer {key_of('ann')}"}},
        {"additional_headers": {"X-API-Key": key_of("ann")}},
        {"subprotocols": ["red-align.v1", f"red-align.key.{key_of('ann')}"]},
    ],
)
def test_a_key_may_come_with_the_handshake(keyed: RunningServer, options: dict[str, object]) -> None:
    with opened(keyed, **options) as live:
        assert live.connection.subprotocol in (None, "red-align.v1")
        live.send_config()
        assert live.answer()["type"] == "ready"
    assert key_of("ann") not in "".join(keyed.lines)


def test_a_key_may_come_with_the_first_message_and_never_in_the_address(keyed: RunningServer) -> None:
    with opened(keyed) as live:
        live.send_config(key=key_of("ann"))
        assert live.answer()["type"] == "ready"
    assert reason(refusal(keyed, f"?key={key_of('ann')}")) == (400, "INVALID_REQUEST")
    assert "ASGI" not in "".join(keyed.lines)


def test_a_wrong_key_is_refused_wherever_it_comes(keyed: RunningServer) -> None:
    assert reason(refusal(keyed, X_API_Key="wrong")) == (401, "UNAUTHENTICATED")
    assert reason(refusal(keyed, Sec_WebSocket_Protocol="red-align.v1, red-align.key.wrong")) == (
        401,
        "UNAUTHENTICATED",
    )
    for config in ({"key": "wrong"}, {}):
        with opened(keyed) as live:
            live.send_config(**config)
            answers, code, why = live.rest()
        assert answers[0]["error"]["reason"] == why == "UNAUTHENTICATED"
        assert code == 4401


def test_who_has_not_shown_a_key_cannot_send_much(keyed: RunningServer) -> None:
    with opened(keyed) as live:
        with suppress(ConnectionClosed):
            live.connection.send("x" * 2_000_000)
        with pytest.raises(ConnectionClosed):
            live.connection.recv(30)
    with opened(keyed) as live:  # and who has may send that much
        live.send_config(key=key_of("bob"))
        live.answer()
        live.send_frame(picture() + bytes(2_000_000))
        assert live.answer()["type"] == "frame"


def test_a_tenant_has_its_share_of_streams(keyed: RunningServer) -> None:
    with opened(keyed) as one, opened(keyed) as two, opened(keyed) as other:
        one.send_config(key=key_of("ann"))
        assert one.answer()["type"] == "ready"
        two.send_config(key=key_of("ann"))
        answers, code, _ = two.rest()
        assert (answers[0]["error"]["metadata"]["limit"], code) == ("tenant_max_streams", 4429)
        other.send_config(key=key_of("bob"))
        assert other.answer()["type"] == "ready"


def test_pages_of_other_sites_are_refused(small: RunningServer) -> None:
    assert reason(refusal(small, Origin="https://evil.example")) == (403, "ORIGIN_REFUSED")
    assert reason(refusal(small, Origin="null")) == (403, "ORIGIN_REFUSED")
    for origin in (small.http, "https://friend.example"):
        with opened(small, origin=origin) as live:
            live.send_config()
            assert live.answer()["type"] == "ready"


def test_a_message_beyond_the_limit_ends_the_stream(small: RunningServer) -> None:
    with opened(small) as live:
        live.send_config()
        live.answer()
        live.send_frame(bytes(MESSAGE_BYTES + 1))
        assert live.rest()[1] == 1009
    wait_until(lambda: gauge(small, "streams") == 0)


def test_a_silent_client_is_given_up(small: RunningServer) -> None:
    with opened(small) as live:
        answers, code, _ = live.rest()
        assert (answers[0]["error"]["reason"], code) == ("FIRST_MESSAGE_TIMEOUT", 4408)
    with opened(small) as live:
        live.send_config()
        live.answer()
        answers, code, _ = live.rest()
        assert (answers[0]["error"]["metadata"]["limit"], code) == ("stream_idle_s", 4408)


def test_a_client_that_takes_no_answers_is_given_up_and_what_it_held_is_free(small: RunningServer) -> None:
    with opened(small, max_queue=1) as live:
        live.send_config(times="client", flow="latest")
        data, stop = picture(), threading.Event()

        def send() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                try:
                    live.send_frame(data[:50], number / 30)
                except ConnectionClosed:
                    return

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        wait_until(lambda: gauge(small, "streams") == 1)
        wait_until(lambda: gauge(small, "streams") == 0)
        stop.set()
    assert "Traceback" not in "".join(small.lines)


def test_streams_beyond_the_limit_of_all_are_refused(small: RunningServer) -> None:
    with opened(small) as one, opened(small) as two, opened(small) as three:
        for live in (one, two):
            live.send_config()
            assert live.answer()["type"] == "ready"
        three.send_config()
        answers, code, _ = three.rest()
    assert (answers[0]["error"]["metadata"]["limit"], code) == ("max_streams", 4429)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("no json", "the config is no JSON object"),
        ("[1]", "the config is no JSON object"),
        ('{"max_face": 1}', "did you mean 'max_faces'"),
        ('{"max_faces": "2"}', "max_faces: "),
        ('{"max_faces": 1000}', "max_faces is 1000"),
        ('{"flow": "fast"}', "flow: "),
        ('{"key": 5}', "key: "),
        (b"\xff\xd8", "must be its config"),
    ],
)
def test_a_wrong_config_is_refused_with_what_is_wrong(small: RunningServer, message: str | bytes, said: str) -> None:
    with opened(small) as live:
        live.connection.send(message)
        (answer,), code, _ = live.rest()
    assert (answer["type"], code) == ("error", 4400)
    assert said in answer["error"]["message"]


def test_a_second_config_ends_the_stream_after_its_frames(small: RunningServer) -> None:
    with opened(small) as live:
        live.send_config()
        live.answer()
        live.send_frame(picture())
        live.send_config()
        answers, code, why = live.rest()
    assert [answer["type"] for answer in answers] == ["frame", "error"]
    assert (code, why) == (4400, "CONFIG_REPEATED")


def test_a_service_that_shuts_down_sends_its_streams_elsewhere() -> None:
    frames = [jpeg(frame) for frame in carphone_frames()[:10]]
    key = "dGVzdC10ZXN0LXRlc3QtdGVzdC10ZXN0LXRlc3QtdGU="
    with running_server(TOKEN_KEYS=key) as leaving, running_server(TOKEN_KEYS=key) as staying:
        with opened(leaving) as live, opened(leaving) as waiting:
            live.send_config(times="client")
            live.answer()
            for number, frame in enumerate(frames[:5]):
                live.send_frame(frame, number / 30)
                live.answer()
            began = time.monotonic()
            leaving.process.send_signal(signal.SIGTERM)
            answers, code, why = live.rest()
            assert (code, why) == (1001, "GOING_AWAY")
            assert [answer["type"] for answer in answers] == ["going_away", "error"]
            assert waiting.rest()[1] == 1001
        assert leaving.process.wait(timeout=20) == 0
        assert time.monotonic() - began < 15
        goes_on = answers[0]
        assert goes_on["next_index"] == 5
        ready, again, *_ = stream(staying, frames[5:], 5, resume_token=goes_on["resume_token"])
        assert (ready["next_index"], again["resumed"], again["faces"][0]["track_id"]) == (5, True, 0)


@pytest.mark.parametrize(("web", "status"), [("true", 200), ("false", 404)])
def test_the_page_is_there_where_pages_are_shown(web: str, status: int) -> None:
    with running_server(WEB=web) as server:
        answers = [httpx.get(f"{server.http}{path}").status_code for path in ("/", "/web/app.js", "/docs")]
    assert answers == [status] * 3
