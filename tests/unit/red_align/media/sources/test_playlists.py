"""HLS playlists as they are read."""

from __future__ import annotations

import pytest

from red_align.errors import UnreadableMedia
from red_align.media.sources.playlists import Key, Part, Variant, best, parse_playlist

HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"


def test_a_playlist_of_segments_is_read() -> None:
    text = HEAD + (
        '#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MAP:URI="init.mp4",BYTERANGE="10@5"\n#EXTINF:3.5,\n#EXT-X-BYTERANGE:100@50\na.m4s\n'
        "#EXTINF:4,title\n#EXT-X-BYTERANGE:20\na.m4s\n#EXT-X-DISCONTINUITY\n"
        '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x0102\n#EXTINF:4\nhttp://b/c.ts\n'
    )
    found = parse_playlist(text)
    one, two, three = found.segments
    assert (found.target_s, found.ended) == (4.0, False)
    assert [s.sequence for s in found.segments] == [7, 8, 9]
    assert (one.part, two.part) == (Part("a.m4s", (50, 100)), Part("a.m4s", (150, 20)))
    assert one.head == Part("init.mp4", (5, 10))
    assert [s.begins_anew for s in found.segments] == [False, False, True]
    assert three.key == Key("k", bytes(14) + b"\x01\x02")
    assert parse_playlist(HEAD + "#EXT-X-ENDLIST").ended


def test_of_several_variants_the_best_that_is_not_too_large_is_taken() -> None:
    text = "#EXTM3U\n" + "".join(
        f'#EXT-X-STREAM-INF:BANDWIDTH={rate},RESOLUTION={size},CODECS="a,b"\n{rate}.m3u8\n'
        for rate, size in ((5, "3840x2160"), (3, "1280x720"), (4, "1920x1080"))
    )
    variants = parse_playlist(text).variants
    assert best(variants, 1920 * 1080) == Variant("4.m3u8", 4, 1920 * 1080)
    assert best(variants, 100) == Variant("3.m3u8", 3, 1280 * 720)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "ffconcat version 1.0\nfile /etc/passwd",
        HEAD + "#EXTINF:x\na.ts",
        HEAD + "#EXT-X-BYTERANGE:-1@0",
        HEAD + '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"',
        HEAD + "#EXT-X-MEDIA-SEQUENCE:a",
    ],
)
def test_what_is_no_playlist_that_can_be_read_is_refused(text: str) -> None:
    with pytest.raises(UnreadableMedia):
        parse_playlist(text)
