"""A broadcast over HLS as a flow of bytes: its segments one after another, fetched ahead in a thread."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from red_align.errors import RedAlignError, SourceUnreachable, UnreadableMedia
from red_align.media.sources.fetch import Fetcher
from red_align.media.sources.playlists import MAX_BYTES, Key, Part, Playlist, Segment, best, parse_playlist
from red_align.media.sources.urls import LiveUrl

MOST_PIXELS = 1920 * 1080
"""Of a broadcast in several sizes, larger ones are left out."""
FROM_END = 3
"""A live broadcast is begun at this segment from its end, as RFC 8216 asks."""
AHEAD = 64
"""Pieces of up to 64 KiB that are fetched before they are needed."""
KEY_BYTES = 16


class HlsFeed:
    """The bytes of a broadcast; ``read`` ends with each part, and another part may have other times and sizes.

    Args:
        fetcher: Fetches what the rules allow.
        url: The playlist.
        stall_s: Seconds without a new segment, beyond three of the longest ones, after which the broadcast is lost.
        after: Number of the last segment that an earlier feed gave; -1 for none.

    Raises:
        RedAlignError: The playlist is not allowed, does not come, or is none.
    """

    def __init__(self, fetcher: Fetcher, url: LiveUrl, stall_s: float, after: int = -1) -> None:
        self.position = after
        """Number of the segment that was read last."""
        self._fetcher, self._url, self._stall_s = fetcher, url, stall_s
        playlist = self._load()
        if playlist.variants:
            self._url = fetcher.joined(url, best(playlist.variants, MOST_PIXELS).uri)
            playlist = self._load()
        if playlist.variants:
            raise UnreadableMedia("the HLS playlist names playlists of playlists")
        self.is_live = not playlist.ended
        """Whether segments are still being added; else it is a clip that is read from its beginning."""
        self._keys: dict[str, bytes] = {}
        self._pieces: queue.Queue[tuple[int, bytes] | RedAlignError | None] = queue.Queue(AHEAD)
        self._held = b""
        self._part_over = self._over = self._closed = False
        self._failed: RedAlignError | None = None
        threading.Thread(target=self._run, args=(playlist,), daemon=True, name="red-align-hls").start()

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, waiting for them; none at the end of a part.

        Raises nothing: PyAV would write it to the log. ``next_part`` raises what went wrong.
        """
        if not self._held and not self._part_over:
            piece = self._pieces.get()
            if piece is None or isinstance(piece, RedAlignError):
                self._part_over = self._over = True
                self._failed = piece
            else:
                self.position, self._held = piece
                self._part_over = not self._held
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def next_part(self) -> bool:
        """Whether another part follows. Raises what ended the broadcast."""
        self.raise_failure()
        self._part_over = self._over
        return not self._over

    def raise_failure(self) -> None:
        """Raise what ended the broadcast, where anything did."""
        if self._failed is not None:
            raise self._failed

    def close(self) -> None:
        """Fetch no more."""
        self._closed = self._over = self._part_over = True
        while not self._pieces.empty():
            self._pieces.get_nowait()
        self._offer(None)

    def _run(self, playlist: Playlist) -> None:
        try:
            began = False
            for segment in self._segments(playlist):
                if began and segment.begins_anew:
                    self._offer((segment.sequence, b""))  # An empty piece ends a part.
                for piece in self._bytes(segment, with_head=segment.begins_anew or not began):
                    self._offer((segment.sequence, piece))
                began = True
            self._offer(None)
        except RedAlignError as error:
            self._offer(error)
        except Exception as error:  # A fault of ours must not leave the reader waiting.
            self._offer(SourceUnreachable(f"the broadcast cannot be read: {type(error).__name__}"))

    def _offer(self, piece: tuple[int, bytes] | RedAlignError | None) -> None:
        while True:
            try:
                self._pieces.put(piece, timeout=0.5)
            except queue.Full:
                if self._closed:
                    return
            else:
                return

    def _segments(self, playlist: Playlist) -> Iterator[Segment]:
        """All segments from where it begins on, as they come."""
        last = self._begin(playlist)
        head: Part | None = None
        since, refused = time.monotonic(), 0
        while not self._closed:
            for segment in playlist.segments:
                if segment.sequence > last and not self._closed:
                    last, since, refused = segment.sequence, time.monotonic(), 0
                    changed = head is not None and segment.head != head
                    head = segment.head
                    yield replace(segment, begins_anew=segment.begins_anew or changed)
            if playlist.ended:
                return
            if time.monotonic() - since > self._stall_s + 3 * playlist.target_s:
                raise SourceUnreachable(f"the broadcast has had no new segment for {time.monotonic() - since:.0f} s")
            time.sleep(min(playlist.target_s / 2, 2.0))
            try:
                newer = self._load()
            except SourceUnreachable:
                refused += 1
                if refused >= 3:
                    raise
            else:
                refused, playlist = 0, newer
                if newer.segments and newer.segments[-1].sequence < last - len(newer.segments):
                    last = self._begin(newer)  # It was begun anew, and counts from another number.

    def _begin(self, playlist: Playlist) -> int:
        """The number after which a playlist is read."""
        numbers = [segment.sequence for segment in playlist.segments]
        if not numbers:
            return -1
        if self.position >= 0 and numbers[0] - 1 <= self.position <= numbers[-1]:
            return self.position
        return numbers[0] - 1 if playlist.ended else numbers[max(len(numbers) - FROM_END, 0)] - 1

    def _load(self) -> Playlist:
        return parse_playlist(self._fetcher.text(self._url, MAX_BYTES))

    def _bytes(self, segment: Segment, *, with_head: bool) -> Iterator[bytes]:
        if segment.head is not None and with_head:
            yield from self._part_bytes(segment.head.uri, segment.head.span)
        pieces = self._part_bytes(segment.part.uri, segment.part.span)
        if segment.key is None:
            yield from pieces
        else:
            iv = segment.key.iv or segment.sequence.to_bytes(16, "big")
            yield from _decrypted(pieces, self._key(segment.key), iv)

    def _part_bytes(self, uri: str, span: tuple[int, int] | None) -> Iterator[bytes]:
        with self._fetcher.open(self._fetcher.joined(self._url, uri), span) as pieces:
            yield from pieces

    def _key(self, key: Key) -> bytes:
        if key.uri not in self._keys:
            with self._fetcher.open(self._fetcher.joined(self._url, key.uri)) as pieces:
                held = next(pieces, b"")
            if len(held) != KEY_BYTES:
                raise UnreadableMedia("the broadcast's key is not one of AES-128")
            self._keys = {key.uri: held}  # Keys change now and then, and none comes again.
        return self._keys[key.uri]


def _decrypted(pieces: Iterator[bytes], key: bytes, iv: bytes) -> Iterator[bytes]:
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
        from cryptography.hazmat.primitives.padding import PKCS7
    except ImportError as error:
        raise UnreadableMedia("an encrypted broadcast needs more: pip install cryptography") from error
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(128).unpadder()
    try:
        for piece in pieces:
            if data := unpadder.update(decryptor.update(piece)):
                yield data
        if data := unpadder.update(decryptor.finalize()) + unpadder.finalize():
            yield data
    except ValueError as error:
        raise UnreadableMedia("a segment of the broadcast does not decrypt") from error
