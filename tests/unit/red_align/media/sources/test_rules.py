"""What may be connected to, and each way to sneak past it."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

import pytest

from red_align.errors import ConfigurationError, SourceNotAllowed, SourceUnreachable
from red_align.media.sources.dialing import checked_addresses, dial
from red_align.media.sources.rules import ANYTHING, SourceRules, is_public, parse_rules
from red_align.media.sources.urls import parse_live_url

RULES = parse_rules(
    "rtsp://cam.example.org, https://*.cdn.example.org, rtsp://10.1.0.0/16:*, rtsp://[fd00::]/8, rtmp://*"
)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Names resolve to these addresses, by turns; gives the names that were asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        found = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("rtsp://cam.example.org/1", True),
        ("rtsp://CAM.example.org./1", True),
        ("rtsp://cam.example.org:8554/1", False),
        ("http://cam.example.org/1.m3u8", False),
        ("rtsp://evil-cam.example.org/1", False),
        ("rtsp://cam.example.org.evil.org/1", False),
        ("rtsp://cam.example.org@evil.org/1", False),
        ("rtsp://cam.example.org:554@10.2.0.1/1", False),
        ("https://a.b.cdn.example.org/1.m3u8", True),
        ("https://cdn.example.org/1.m3u8", False),
        ("https://evilcdn.example.org/1.m3u8", False),
        ("rtsp://10.1.2.3:8000/1", True),
        ("rtsp://[::ffff:10.1.2.3]/1", True),
        ("rtsp://10.2.0.1/1", False),
        ("rtsp://[fd12::1]/1", True),
        ("rtsp://[fe80::1]/1", False),
        ("rtmp://anything.org/live/1", True),
        ("rtmp://93.184.216.34/live/1", True),
        ("rtmp://127.0.0.1/live/1", False),
        ("rtmp://[::1]/live/1", False),
        ("rtmp://[::ffff:127.0.0.1]/live/1", False),
        ("rtmp://[64:ff9b::7f00:1]/live/1", False),
        ("rtmp://[2002:7f00:1::]/live/1", False),
        ("rtmp://169.254.169.254/live/1", False),
        ("rtmp://0.0.0.0/live/1", False),
    ],
)
def test_the_list_says_what_may_be_read(url: str, allowed: bool) -> None:
    parsed = parse_live_url(url)
    if allowed:
        RULES.check(parsed)
    else:
        with pytest.raises(SourceNotAllowed):
            RULES.check(parsed)


def test_an_empty_list_allows_nothing() -> None:
    assert not parse_rules("")
    with pytest.raises(SourceNotAllowed):
        SourceRules().check(parse_live_url("rtsp://cam.example.org/"))


@pytest.mark.parametrize(
    "entry", ["cam", "file://x", "rtsp://", "srt://cam", "rtsp://a/b", "rtsp://10.0.0.1/8", "rtsp://a:x"]
)
def test_an_entry_that_cannot_be_read_is_a_wrong_setting(entry: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_rules(entry)


def test_rules_travel_as_plain_values() -> None:
    assert SourceRules.from_values([[list(v) for v in RULES.to_values()[0]], False]) == RULES
    assert SourceRules.from_values(ANYTHING.to_values()) == ANYTHING


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
     "2002:a00:1::", "2001:0:4136:e378:8000:63bf:f5ff:fffe"],
)  # fmt: skip
def test_addresses_that_are_not_anybodys_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


def test_public_addresses_are_public() -> None:
    assert is_public(ip_address("93.184.216.34"))
    assert is_public(ip_address("2606:2800:220:1::1"))
    assert is_public(ip_address("::ffff:93.184.216.34"))


def test_a_listed_name_that_leads_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("127.0.0.1", "192.168.1.1", "::1", "::ffff:127.0.0.1", "169.254.169.254"):
        resolve_to(monkeypatch, [address])
        with pytest.raises(SourceNotAllowed):
            checked_addresses(parse_live_url("rtsp://cam.example.org/"), RULES)
    resolve_to(monkeypatch, ["10.1.9.9"])
    assert checked_addresses(parse_live_url("rtsp://cam.example.org/"), RULES) == [ip_address("10.1.9.9")]
    resolve_to(monkeypatch, ["127.0.0.1", "93.184.216.34"])
    assert checked_addresses(parse_live_url("rtsp://cam.example.org/"), RULES) == [ip_address("93.184.216.34")]


def test_a_name_is_looked_up_once_and_the_address_that_was_checked_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = resolve_to(monkeypatch, ["10.1.0.7"], ["127.0.0.1"])  # It would lead elsewhere the second time.
    connected: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: connected.append(address))
    dial(parse_live_url("rtsp://cam.example.org/"), RULES, 1.0).close()
    assert asked == ["cam.example.org"]
    assert connected == [("10.1.0.7", 554)]


def test_what_does_not_answer_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SourceUnreachable, match="does not answer"):
        dial(parse_live_url(f"rtsp://127.0.0.1:{port}/"), ANYTHING, 1.0)
