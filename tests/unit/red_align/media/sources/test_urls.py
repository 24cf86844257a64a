"""URLs of live sources: what two parsers could read in two ways is refused, and no secret is shown."""

from __future__ import annotations

import pytest

from red_align.errors import InvalidRequest
from red_align.media.sources.urls import is_live_url, parse_live_url


def test_a_url_is_read_in_its_parts() -> None:
    url = parse_live_url("RTSP://Ann:p%40ss@Cam.Example.ORG.:8554/live/1?key=x")
    assert (url.scheme, url.host, url.port, url.target) == ("rtsp", "cam.example.org", 8554, "/live/1?key=x")
    assert (url.user, url.password) == ("Ann", "p@ss")
    assert parse_live_url("rtsp://cam").port == 554
    assert parse_live_url("https://[2001:db8::1]/a.m3u8").place == "[2001:db8::1]"


def test_name_password_and_query_are_never_shown() -> None:
    url = parse_live_url("rtsp://ann:secret@cam/live?token=secret")
    assert url.shown == str(url) == "rtsp://***@cam/live?***"
    assert "secret" not in repr(url).replace("query='token=secret'", "")
    for wrong in ("rtsp://ann:secret@cam:notaport/", "rtsp://ann:secret@@cam/", "gopher://ann:secret@cam/"):
        with pytest.raises(InvalidRequest) as caught:
            parse_live_url(wrong)
        assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "concat:rtsp://a/|file:///etc/passwd",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "crypto:http://a/",
        "data:text/plain,x",
        "tcp://a:1/",
        "rtsp:cam/live",
        "rtsp:////cam/live",
        "rtsp://",
        "rtsp://a b/",
        "rtsp://a\r\nHost: b/",
        "rtsp://a\\@b/",
        "rtsp://good.org@evil.org@10.0.0.1/",
        "rtsp://good.org#@10.0.0.1/",
        "rtsp://2130706433/",
        "rtsp://0x7f000001/",
        "rtsp://0x7f.1/",
        "rtsp://0177.0.0.1/",
        "rtsp://127.1/",
        "rtsp://127.0.0.1.0/",
        "rtsp://[fe80::1%25eth0]/",
        "rtsp://[::1/",
        "rtsp://exa%6dple.org/",
        "rtsp://ex\u0430mple.org/",
        "rtsp://-a.org/",
        "rtsp://a..org/",
        "rtsp://a:0/",
        "rtsp://a:70000/",
        "srt://cam/",
        "rtsp://a/" + "x" * 3000,
    ],
)
def test_what_is_no_plain_url_of_a_source_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_live_url(text)


def test_an_ipv4_address_written_as_ipv6_is_that_address() -> None:
    assert parse_live_url("rtsp://[::ffff:127.0.0.1]/").host == "127.0.0.1"
    assert parse_live_url("rtsp://[::ffff:7f00:1]/").host == "127.0.0.1"


def test_paths_are_no_urls() -> None:
    assert is_live_url("rtsp://cam/1")
    assert not any(map(is_live_url, ("clip.mp4", "/a/b.mp4", "C:\\a.mp4", "C:/a.mp4", 0)))
