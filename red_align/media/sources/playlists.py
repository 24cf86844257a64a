"""HLS playlists (RFC 8216), as far as pictures need them. What they name is checked where it is fetched."""

from __future__ import annotations

import re
from dataclasses import dataclass

from red_align.errors import SourceUnreachable, UnreadableMedia

MAX_BYTES = 1024 * 1024
MAX_SEGMENTS = 20_000
USUAL_TARGET_S = 6.0
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')
Span = tuple[int, int]
"""First byte and number of bytes."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One of several forms of a broadcast: its playlist, bits a second, and pixels (0 where unknown)."""

    uri: str
    bandwidth: int
    pixels: int


@dataclass(frozen=True, slots=True)
class Key:
    """How segments are encrypted (AES-128): where the key is, and the IV; None for the segment's number."""

    uri: str
    iv: bytes | None


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes that a playlist names."""

    uri: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """Some seconds of a broadcast.

    Attributes:
        part: Its bytes.
        sequence: Its number, growing by one.
        duration_s: Seconds.
        head: What must be read before it (fMP4); None for nothing.
        key: How it is encrypted; None where it is not.
        begins_anew: Whether times, size or format may be others than before.
    """

    part: Part
    sequence: int
    duration_s: float
    head: Part | None
    key: Key | None
    begins_anew: bool


@dataclass(frozen=True, slots=True)
class Playlist:
    """A playlist: its variants, or its segments.

    Attributes:
        variants: Of a master playlist; empty for one of segments.
        segments: In order.
        target_s: Longest segment, seconds.
        ended: Whether nothing will be added.
    """

    variants: tuple[Variant, ...] = ()
    segments: tuple[Segment, ...] = ()
    target_s: float = USUAL_TARGET_S
    ended: bool = False


def parse_playlist(text: str) -> Playlist:
    """Read a playlist.

    Args:
        text: All of it.

    Raises:
        UnreadableMedia: It is no HLS playlist, or encrypted in another way than AES-128.
    """
    lines = [line.strip() for line in text.lstrip("\ufeff").splitlines() if line.strip()]
    if not lines or lines[0] != "#EXTM3U":
        raise UnreadableMedia("what the URL gives is no HLS playlist")
    found = _Lines()
    for line in lines[1:]:
        found.take(line)
    return Playlist(tuple(found.variants), tuple(found.segments), found.target_s, found.ended)


class _Lines:
    """A playlist while it is read."""

    def __init__(self) -> None:
        self.variants: list[Variant] = []
        self.segments: list[Segment] = []
        self.target_s, self.ended = USUAL_TARGET_S, False
        self._sequence = 0
        self._duration_s: float | None = None
        self._variant: dict[str, str] | None = None
        self._head: Part | None = None
        self._key: Key | None = None
        self._span: Span | None = None
        self._span_end, self._begins_anew = 0, False

    def take(self, line: str) -> None:
        name, _, value = line.partition(":")
        try:
            if not line.startswith("#"):
                self._uri(line)
            elif name == "#EXTINF":
                self._duration_s = max(float(value.partition(",")[0]), 0.0)
            elif name == "#EXT-X-TARGETDURATION":
                self.target_s = min(max(float(value), 0.5), 60.0)
            elif name == "#EXT-X-MEDIA-SEQUENCE":
                self._sequence = int(value)
            elif name == "#EXT-X-BYTERANGE":
                self._span = self._read_span(value)
            elif name == "#EXT-X-STREAM-INF":
                self._variant = _attributes(value)
            else:
                self._state(name, value)
        except ValueError as error:
            raise UnreadableMedia(f"the HLS playlist cannot be read: {name[:40]}") from error

    def _state(self, name: str, value: str) -> None:
        if name == "#EXT-X-ENDLIST":
            self.ended = True
        elif name == "#EXT-X-DISCONTINUITY":
            self._begins_anew = True
        elif name == "#EXT-X-MAP":
            given = _attributes(value)
            span = self._read_span(given["BYTERANGE"]) if "BYTERANGE" in given else None
            self._head = Part(given.get("URI", ""), span)
        elif name == "#EXT-X-KEY":
            self._key = _key(_attributes(value))

    def _uri(self, uri: str) -> None:
        if self._variant is not None:
            given, self._variant = self._variant, None
            width, _, height = given.get("RESOLUTION", "0x0").lower().partition("x")
            self.variants.append(Variant(uri, int(given.get("BANDWIDTH", "0")), int(width) * int(height or 0)))
        elif self._duration_s is not None:
            if len(self.segments) >= MAX_SEGMENTS:
                raise SourceUnreachable(f"the HLS playlist has more than {MAX_SEGMENTS} segments")
            part = Part(uri, self._span)
            self.segments.append(
                Segment(part, self._sequence, self._duration_s, self._head, self._key, self._begins_anew)
            )
            self._sequence += 1
            self._duration_s, self._span, self._begins_anew = None, None, False

    def _read_span(self, value: str) -> Span:
        size, at, start = value.partition("@")
        first = int(start) if at else self._span_end
        if int(size) <= 0 or first < 0:
            raise ValueError(value)
        self._span_end = first + int(size)
        return first, int(size)


def _attributes(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(text)}


def _key(given: dict[str, str]) -> Key | None:
    method = given.get("METHOD", "NONE")
    if method == "NONE":
        return None
    if method != "AES-128" or given.get("KEYFORMAT", "identity") != "identity":
        raise UnreadableMedia(f"the broadcast is encrypted with {method[:40]}, which is not read")
    iv = int(given["IV"], 16).to_bytes(16, "big") if "IV" in given else None
    return Key(given.get("URI", ""), iv)


def best(variants: tuple[Variant, ...], most_pixels: int) -> Variant:
    """The variant of the highest rate whose pictures are not too large; the smallest where all are."""
    fit = [variant for variant in variants if variant.pixels <= most_pixels]
    if fit:
        return max(fit, key=lambda variant: variant.bandwidth)
    return min(variants, key=lambda variant: variant.pixels)
