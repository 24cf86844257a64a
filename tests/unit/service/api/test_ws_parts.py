"""Parts of WebSocket streams: origins, configs, times, and codes of closes."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator

import pytest

from red_align.errors import ConfigRepeated, GoingAway, InvalidRequest, OriginRefused, Overloaded, Unauthenticated
from service.api.errors import websocket_close
from service.api.ws.config import StreamConfig, read_config
from service.api.ws.frames import ArrivalClock, frames
from service.api.ws.origin import check_origin
from service.security.authenticator import Authenticator
from service.security.credentials import hash_of


@pytest.mark.parametrize(
    ("origin", "host", "admitted", "refused"),
    [
        (None, "faces.example", "", False),
        ("https://faces.example", "faces.example", "", False),
        ("http://localhost:8080", "localhost:8080", "", False),
        ("http://localhost:3000", "localhost:8080", "", True),
        ("https://faces.example.evil.example", "faces.example", "", True),
        ("null", "faces.example", "", True),
        ("", "", "", True),
        ("https://friend.example", "faces.example", "https://friend.example, https://b.example", False),
        ("https://friend.example:444", "faces.example", "https://friend.example", True),
        ("https://anybody.example", "faces.example", "*", False),
    ],
)
def test_origins(origin: str | None, host: str, admitted: str, refused: bool) -> None:
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    if refused:
        with pytest.raises(OriginRefused):
            check_origin(headers, admitted)
    else:
        check_origin(headers, admitted)


def test_a_wrong_config_never_shows_the_key_that_is_in_it() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_config('{"key": "secret-of-ann", "max_faces": -1, "colour": "red"}')
    assert "secret-of-ann" not in caught.value.message
    assert "secret-of-ann" not in repr(read_config('{"key": "secret-of-ann"}'))
    assert "max_faces: " in caught.value.message
    assert "'colour'" in caught.value.message


def test_a_key_is_read_from_the_subprotocols() -> None:
    asks = Authenticator({hash_of("k-1"): "ann"})
    assert asks.tenant({"sec-websocket-protocol": "red-align.v1, red-align.key.k-1"}) == "key:ann"
    for offered in ("red-align.key.k-2", "red-align.v1", "k-1"):
        assert not asks.knows({"sec-websocket-protocol": offered})


def test_codes_of_closes_tell_the_status() -> None:
    codes = [websocket_close(error("")) for error in (Unauthenticated, Overloaded, GoingAway)]
    assert codes == [4401, 4429, 1001]


def test_times_of_arrival_grow_also_where_the_clock_stands() -> None:
    now = [5.0]
    clock = ArrivalClock(lambda: now[0])
    first = [clock.now(), clock.now()]
    now[0] = 6.0
    later = clock.now()
    assert first[0] == 0.0
    assert 0.0 < first[1] < 0.001
    assert later == 1.0
    clock.goes_on_from(40.0)
    assert 40.0 < clock.now() < 40.001


async def test_times_of_the_client_come_before_the_picture() -> None:
    async def messages() -> AsyncIterator[str | bytes]:
        yield struct.pack("<d", 1.5) + b"picture"
        yield b"short"
        yield '{"type":"end"}'
        yield b"never read"

    config = StreamConfig(times="client", max_age_ms=7)
    found = [(frame.image, frame.max_age_ms) async for frame in frames(messages(), config, ArrivalClock())]
    assert found == [(b"picture", 7), (None, 7)]


@pytest.mark.parametrize("text", ['{"max_faces": 2}', "end", "[]", '{"type": "end", "more": 1}'])
async def test_other_text_than_the_end_is_refused(text: str) -> None:
    async def messages() -> AsyncIterator[str | bytes]:
        yield text

    with pytest.raises(ConfigRepeated):
        _ = [frame async for frame in frames(messages(), StreamConfig(), ArrivalClock())]
