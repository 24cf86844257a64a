"""Addresses, keys, attempts and the fit of versions: plain values, and a sentence for each thing that is wrong."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from red_align.client.access import Access, Address, parse_address, parse_addresses
from red_align.client.attempts import Attempts
from red_align.client.errors import ServerUnreachable, VersionMismatch
from red_align.client.info import ServerInfo, check_fit
from red_align.client.sources import CHUNK_BYTES, clip_bytes
from red_align.errors import BadResumeToken, EmptyBody, InvalidRequest, Overloaded, TooLarge, Unauthenticated

HERE = Address("here:8081")
INFO = ServerInfo("0.2.0", "ibug68", 68, "edge", "run", "embedded", "fp32", ("cpu",), 8, 100, 100, 100, 1)


@pytest.mark.parametrize(
    ("text", "target", "tls"),
    [
        ("grpc://a.b:5", "a.b:5", False),
        ("grpcs://a.b:5/", "a.b:5", True),
        ("a.b:5", "a.b:5", False),
        ("a.b", "a.b:8081", False),
        ("GRPCS://a.b", "a.b:8081", True),
        ("[::1]:5", "[::1]:5", False),
        (" 127.0.0.1:9 ", "127.0.0.1:9", False),
    ],
)
def test_addresses_are_read(text: str, target: str, tls: bool) -> None:
    assert parse_address(text) == Address(target, tls)


@pytest.mark.parametrize("text", ["", "a b", "a:b", "ftp://a:1", "a:0", "a:70000", "grpc://", "a:1/path"])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidRequest, match="grpc://HOST:PORT"):
        parse_addresses(text)


def test_an_address_of_rest_is_refused_by_that_name() -> None:
    with pytest.raises(InvalidRequest, match=r"for REST, and the client speaks gRPC: write grpcs://HOST:PORT"):
        parse_address("https://a.b:8080")


def test_several_addresses_are_read_from_a_list_or_a_line() -> None:
    both = (Address("a:1"), Address("b:2"))
    assert parse_addresses("a:1, b:2") == both
    assert parse_addresses(["a:1", "grpc://b:2"]) == both


def test_a_key_goes_as_a_header_and_is_not_shown() -> None:
    assert Access(key="red_x\n").headers() == {"x-api-key": "red_x"}
    assert Access(token="t").headers() == {"authorization": "Bearer t"}
    fresh = iter(["one", "two"])
    access = Access(token=lambda: next(fresh))
    assert [access.headers()["authorization"] for _ in range(2)] == ["Bearer one", "Bearer two"]
    assert Access().headers() == {}
    assert "red_x" not in repr(Access(key="red_x"))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"key": "a", "token": "b"}, "both given"),
        ({"timeout_s": 0.0}, "timeout_s is 0.0"),
        ({"connect_s": -1.0}, "connect_s is -1.0"),
        ({"ca": "no.pem"}, "no file no.pem"),
        ({"certificate": ("no.pem", "no.key")}, "no file no.pem"),
        ({"proxy": "socks5://a:1"}, "http://HOST:PORT"),
    ],
)
def test_wrong_access_is_refused_with_a_sentence(values: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        Access(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["two words", "a\nb", "schlüssel"])
def test_a_key_that_no_header_may_hold_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest, match="the key holds a space"):
        Access(key=key)


GONE = ServerUnreachable("gone")
TWO = (Address("a:1"), Address("b:2"))


def test_what_has_not_begun_tries_each_address_once() -> None:
    attempts = Attempts(TWO, 60.0)
    assert attempts.failed(GONE, 0.0) == 0.0
    assert attempts.address == TWO[1]
    with pytest.raises(ServerUnreachable, match="gone"):
        attempts.failed(GONE, 1.0)


def test_an_error_that_no_other_server_would_spare_is_raised_at_once() -> None:
    with pytest.raises(Unauthenticated):
        Attempts(TWO, 60.0).failed(Unauthenticated("no"), 0.0)
    begun = Attempts(TWO, 60.0)
    begun.succeeded()
    with pytest.raises(InvalidRequest):
        begun.failed(InvalidRequest("no"), 0.0)


def test_what_was_under_way_takes_the_addresses_in_turn_with_longer_and_longer_pauses_until_it_gives_up() -> None:
    attempts = Attempts(TWO, 60.0)
    attempts.succeeded()
    taken, pauses = [], []
    for _ in range(16):
        taken.append(attempts.address)
        pauses.append(attempts.failed(Overloaded("full"), 10.0))
    assert taken == [*TWO] * 8
    assert pauses[::2] == [0.0] * 8, "the other one is tried at once"
    assert pauses[1] < 0.2 < pauses[-1] <= 2.5
    attempts.succeeded()
    attempts.failed(GONE, 100.0)
    attempts.failed(GONE, 159.0)
    with pytest.raises(ServerUnreachable, match="could not go on for 60 s: gone"):
        attempts.failed(GONE, 160.0)


def test_a_stream_that_finds_no_room_at_its_beginning_is_refused_at_once() -> None:
    attempts = Attempts(TWO, 60.0)
    attempts.connected()
    assert attempts.failed(Overloaded("full"), 0.0) == 0.0
    with pytest.raises(Overloaded, match="full"):
        attempts.failed(Overloaded("full"), 0.0)


def test_a_token_that_no_server_opens_ends_the_stream_with_what_to_do() -> None:
    attempts = Attempts(TWO, 60.0)
    attempts.succeeded()
    attempts.failed(BadResumeToken("not one of this service"), 0.0)
    attempts.failed(GONE, 0.0)
    attempts.failed(BadResumeToken("not one of this service"), 0.0)
    with pytest.raises(BadResumeToken, match="RED_TOKEN_KEYS"):
        attempts.failed(BadResumeToken("not one of this service"), 0.0)


def test_versions_that_fit_say_nothing() -> None:
    for version in ("0.2.0", "0.3.1", "0.99.0.dev1"):
        check_fit(replace(INFO, version=version), HERE)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": "0.1.9"}, "needs 0.2 or newer: update the server"),
        ({"version": ""}, "update the server"),
        ({"version": "7.1.0"}, r"update the client \(pip install 'red-align\[client\]>=7.1.0'\)"),
        ({"scheme": "wflw98"}, "with the points 'wflw98', which this client"),
    ],
)
def test_versions_that_do_not_fit_say_which_side_to_update(change: dict[str, str], says: str) -> None:
    with pytest.raises(VersionMismatch, match=says):
        check_fit(replace(INFO, **change), HERE)  # type: ignore[arg-type]


def test_clips_come_from_paths_bytes_and_files_and_again(tmp_path: Path) -> None:
    data = bytes(range(256)) * 3000
    (tmp_path / "clip").write_bytes(data)
    with (tmp_path / "clip").open("rb") as file:
        file.seek(5)
        for source, wanted in (
            (tmp_path / "clip", data),
            (str(tmp_path / "clip"), data),
            (data, data),
            (file, data[5:]),
        ):
            clip = clip_bytes(source)
            assert clip.again
            for _ in range(2):
                pieces = list(clip.pieces())
                assert b"".join(pieces) == wanted
                assert max(map(len, pieces)) <= CHUNK_BYTES


class Pipe(io.RawIOBase):
    """Can be read once."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        return 0


def test_a_pipe_can_be_sent_once() -> None:
    assert not clip_bytes(io.BufferedReader(Pipe())).again


def test_what_is_no_clip_is_refused_before_any_call(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(EmptyBody, match=r"empty.mp4 is empty"):
        clip_bytes(tmp_path / "empty.mp4")
    with pytest.raises(EmptyBody):
        clip_bytes(b"")
    with pytest.raises(FileNotFoundError):
        clip_bytes(tmp_path / "none.mp4")
    with pytest.raises(InvalidRequest, match=r'open it with open\(path, "rb"\)'):
        clip_bytes(io.StringIO("text"))  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="this is a int"):
        clip_bytes(5)  # type: ignore[arg-type]
    with pytest.raises(TooLarge, match="up to 2"):
        clip_bytes(b"abc").check_size(2)
