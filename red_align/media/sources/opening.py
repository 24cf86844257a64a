"""Opens a live source for FFmpeg, which never makes a connection of its own choice.

Over RTSP and RTMP it is given a relay on this machine; over HTTP it is given bytes. Nothing but that is in its lists of
protocols, so that no playlist, description or redirection opens anything else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote

import av
import av.error

from red_align.errors import SourceUnreachable, UnsupportedMedia
from red_align.media.sources.dialing import dial
from red_align.media.sources.fetch import Fetcher
from red_align.media.sources.hls import HlsFeed
from red_align.media.sources.relay import Relay, raise_error
from red_align.media.sources.rtsp_guard import RtspGuard
from red_align.media.sources.rules import SourceRules
from red_align.media.sources.urls import LiveUrl

SEGMENTS = "mpegts,mov,mp4,m4a,3gp,3g2,mj2"
"""Containers of HLS."""
PROBE_US = "500000"
"""Microseconds of a camera that FFmpeg may look at before its first frame is given: all of them are late by then."""
NOTHING = "none"
"""A list of protocols with none of FFmpeg's in it."""


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """Times of a live source.

    Attributes:
        connect_s: Seconds for connecting and for the first answer.
        stall_s: Seconds without anything new after which a source is taken for lost.
    """

    connect_s: float = 10.0
    stall_s: float = 10.0


class Opened:
    """A source that is open.

    Attributes:
        container: PyAV's container.
        feed: Gives its bytes, where it comes over HTTP.
    """

    def __init__(self, container: Any, feed: HlsFeed | None, relay: Relay | None) -> None:
        self.container, self.feed, self._relay = container, feed, relay

    @property
    def is_live(self) -> bool:
        """Whether it goes on whether it is read or not."""
        return self.feed is None or self.feed.is_live

    def next_part(self) -> bool:
        """Open what follows the end of the container; whether anything does. Raises what ended the source."""
        if self.feed is None:
            self.broke_off("it has ended")
        if self.feed.next_part():
            self.container.close()
            self.container = _container(self.feed, SEGMENTS, NOTHING, {}, None)
            return True
        return False

    def broke_off(self, said: str) -> NoReturn:
        """Raise why a read failed, or SourceUnreachable with what FFmpeg said."""
        raise_error(self._relay, f"the source breaks off: {said}")

    def hang_up(self) -> None:
        """End what the container reads from, from any thread: a read under way ends with it."""
        if self.feed is not None:
            self.feed.close()
        if self._relay is not None:
            self._relay.close()

    def close(self) -> None:
        """Close all of it."""
        self.hang_up()
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self.container.close()


def open_live(url: LiveUrl, rules: SourceRules, limits: LiveLimits, after: int = -1) -> Opened:
    """Connect to a source.

    Args:
        url: Where it is.
        rules: What may be connected to.
        limits: Times.
        after: See HlsFeed.

    Returns:
        The opened source; the caller closes it.

    Raises:
        SourceNotAllowed: The rules do not allow it, or it leads to something else.
        SourceUnreachable: It does not answer, or with nothing that can be read.
        UnsupportedMedia: FFmpeg, as it is here, does not know its protocol.
    """
    rules.check(url)
    check_readable(url)
    if url.scheme in ("http", "https"):
        feed = HlsFeed(Fetcher(rules, url, limits.connect_s), url, limits.stall_s, after)
        try:
            return Opened(_container(feed, SEGMENTS, NOTHING, {}, None), feed, None)
        except BaseException:
            feed.close()
            feed.raise_failure()
            raise
    guard: Callable[[bytes], bytes] | None = RtspGuard().feed if url.scheme == "rtsp" else None
    relay = Relay(dial(url, rules, limits.connect_s), guard, limits.connect_s)
    given = _rtsp if url.scheme == "rtsp" else _rtmp
    try:
        return Opened(given(url, relay.port, (limits.connect_s, limits.stall_s)), None, relay)
    except SourceUnreachable as error:
        relay.close()
        raise_error(relay, error.message)
    except BaseException:
        relay.close()
        raise


def check_readable(url: LiveUrl) -> None:
    """Raise UnsupportedMedia for a source whose protocol is not read."""
    if url.scheme == "srt":
        raise UnsupportedMedia("srt:// cannot be read: the FFmpeg that comes with PyAV has no SRT")


def _rtsp(url: LiveUrl, port: int, times: tuple[float, float]) -> Any:
    login = f"{quote(url.user, safe='')}:{quote(url.password, safe='')}@" if url.user or url.password else ""
    options = {"rtsp_transport": "tcp", "allowed_media_types": "video", "analyzeduration": PROBE_US}
    return _container(f"rtsp://{login}127.0.0.1:{port}{url.target}", "rtsp", "tcp", options, times)


def _rtmp(url: LiveUrl, port: int, times: tuple[float, float]) -> Any:
    parts = url.path.strip("/").split("/")
    split = 1 if len(parts) < 3 else 2
    app = "/".join(parts[:split])
    play = "/".join(parts[split:]) + (f"?{url.query}" if url.query else "")
    options = {"rtmp_app": app, "rtmp_playpath": play, "rtmp_tcurl": f"rtmp://{url.place}/{app}", "rtmp_live": "live"}
    options["analyzeduration"] = PROBE_US
    return _container(f"rtmp://127.0.0.1:{port}{url.target}", "flv", "rtmp,tcp", options, times)


def _container(
    source: object, formats: str, protocols: str, options: dict[str, str], times: tuple[float, float] | None
) -> Any:
    """PyAV's container."""
    kind = formats if "," not in formats else None
    given = {"format_whitelist": formats, "protocol_whitelist": protocols}
    try:
        opened: Any = av.open(
            source,
            format=kind,
            metadata_errors="replace",
            options=given | options,
            timeout=times,
            buffer_size=64 * 1024,
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or type(error).__name__
        raise SourceUnreachable(f"the source cannot be opened: {said}") from error
    return opened
