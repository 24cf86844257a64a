"""Broadcasts over HLS, from a real web server: read on through drops, and never anywhere else."""

from __future__ import annotations

import socket
from itertools import islice, pairwise
from pathlib import Path

import pytest

from red_align.errors import RedAlignError, SourceNotAllowed, SourceUnreachable, UnreadableMedia
from red_align.media.sources.opening import LiveLimits
from red_align.media.sources.reconnecting import Retries, open_source
from red_align.media.sources.rules import parse_rules
from tests.support.live.sources import Broadcast, Web, free_port, web, write_hls

QUICK = LiveLimits(connect_s=5.0, stall_s=3.0)
Hls = tuple[Path, list[tuple[str, float]]]


def fill(site: Web, hls: Hls) -> None:
    """The segments under their names."""
    folder, segments = hls
    for name, _ in segments:
        site.files[f"/{name}"] = (folder / name).read_bytes()


def test_a_playlist_that_has_ended_is_a_clip_of_which_every_frame_is_given(hls: Hls) -> None:
    with web() as site:
        fill(site, hls)
        site.files["/all.m3u8"] = (hls[0] / "all.m3u8").read_bytes()
        site.files["/master.m3u8"] = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\nall.m3u8\n"
        source = open_source(f"{site.url}/master.m3u8", limits=QUICK)
        frames = [(frame.index, round(frame.time_s, 3)) for frame in source.frames(planes=True)]
        source.close()
    assert frames == [(i, round(i * 0.04, 3)) for i in range(120)]
    assert (source.complete, source.dropped_count) == (True, 0)


def test_a_live_broadcast_is_shown_at_its_own_pace_over_discontinuities(hls: Hls) -> None:
    with web() as site:
        fill(site, hls)
        site.files["/live.m3u8"] = Broadcast(hls[1]).playlist
        source = open_source(f"{site.url}/live.m3u8", limits=QUICK)
        frames = list(islice(source.frames(planes=True), 100))
        source.close()
    times = [frame.time_s for frame in frames]
    assert all(0.0 < b - a < 1.0 for a, b in pairwise(times))
    assert times[-1] >= 3.9
    assert source.complete


def test_a_broadcast_whose_server_is_gone_and_back_goes_on_behind_what_was_read(hls: Hls) -> None:
    port, broadcast = free_port(), Broadcast(hls[1], window=8)
    indices, times = [], []
    with web(port) as site:
        fill(site, hls)
        site.files["/live.m3u8"] = broadcast.playlist
        source = open_source(f"{site.url}/live.m3u8", limits=LiveLimits(2.0, 1.0), retries=Retries(0.5, 60.0))
        frames = source.frames(planes=True)
        for frame in islice(frames, 30):
            indices.append(frame.index)
            times.append(frame.time_s)
    with web(port) as site:
        fill(site, hls)
        site.files["/live.m3u8"] = broadcast.playlist
        for frame in frames:
            indices.append(frame.index)
            times.append(frame.time_s)
            if len(indices) > 130:
                break
        source.close()
    assert all(a < b for a, b in pairwise(times))
    assert all(a < b for a, b in pairwise(indices))


@pytest.mark.parametrize(
    "named",
    [
        "file:///etc/passwd",
        "concat:a.ts|file:///etc/passwd",
        "crypto+file:///etc/passwd",
        "data:video/mp2t;base64,AAAA",
        "tcp://127.0.0.1:1/",
        "rtsp://127.0.0.1:1/",
        "http://localhost:1/a.ts",
        "http://2130706433/a.ts",
        "http://user@127.0.0.2:1/a.ts",
        "//127.0.0.2/a.ts",
        "http://[::1]/a.ts",
    ],
)
@pytest.mark.parametrize("where", ["segment", "key", "head", "variant"])
def test_a_playlist_that_points_elsewhere_is_refused(hls: Hls, named: str, where: str) -> None:
    head = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n"
    text = {
        "segment": f"{head}#EXTINF:1,\n{named}\n#EXT-X-ENDLIST\n",
        "key": f'{head}#EXT-X-KEY:METHOD=AES-128,URI="{named}"\n#EXTINF:1,\ns000.ts\n#EXT-X-ENDLIST\n',
        "head": f'{head}#EXT-X-MAP:URI="{named}"\n#EXTINF:1,\ns000.ts\n#EXT-X-ENDLIST\n',
        "variant": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\n{named}\n",
    }[where]
    with web() as site:
        fill(site, hls)
        site.files["/a.m3u8"] = text.encode()
        rules = parse_rules(f"http://127.0.0.1:{site.port}")
        with pytest.raises(RedAlignError) as caught:
            open_source(f"{site.url}/a.m3u8", limits=QUICK, rules=rules)
        assert isinstance(caught.value, SourceNotAllowed), caught.value


def test_what_has_no_scheme_is_a_path_of_the_playlists_own_host() -> None:
    with web() as site:
        site.files["/a.m3u8"] = b"#EXTM3U\n#EXTINF:1,\nsubfile,,start,0,end,99,,:/etc/passwd\n#EXT-X-ENDLIST\n"
        with pytest.raises(SourceUnreachable, match="404"):
            open_source(f"{site.url}/a.m3u8", limits=QUICK)
        assert site.asked[-1][0] == "/subfile,,start,0,end,99,,:/etc/passwd"


def test_redirects_of_playlists_and_segments_are_not_followed(hls: Hls) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere, web() as site:
        elsewhere.settimeout(0.5)
        target = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/a.ts"
        site.files["/moved.m3u8"] = (302, target)
        site.files["/a.m3u8"] = b"#EXTM3U\n#EXTINF:1,\ns.ts\n#EXT-X-ENDLIST\n"
        site.files["/s.ts"] = (307, target)
        for path in ("/moved.m3u8", "/a.m3u8"):
            with pytest.raises(SourceNotAllowed):
                open_source(site.url + path, limits=QUICK)
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_a_segment_that_is_a_playlist_or_a_list_of_files_opens_nothing(hls: Hls) -> None:
    with web() as site:
        site.files["/a.m3u8"] = b"#EXTM3U\n#EXTINF:1,\ns.ts\n#EXT-X-ENDLIST\n"
        for inner in (
            b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
            b"ffconcat version 1.0\nfile '/etc/passwd'\n",
            b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 9 RTP/AVP 96\r\n",
        ):
            site.files["/s.ts"] = inner
            with pytest.raises(SourceUnreachable):
                open_source(f"{site.url}/a.m3u8", limits=QUICK)


def test_an_encrypted_broadcast_is_read(tmp_path: Path) -> None:
    with web() as site:
        (tmp_path / "key").write_bytes(bytes(range(16)))
        (tmp_path / "info").write_text(f"{site.url}/key\n{tmp_path / 'key'}\n")
        segments = write_hls(tmp_path, options={"hls_key_info_file": str(tmp_path / "info")})
        fill(site, (tmp_path, segments))
        site.files["/key"] = bytes(range(16))
        site.files["/all.m3u8"] = playlist = (tmp_path / "all.m3u8").read_bytes()
        assert b"AES-128" in playlist
        source = open_source(f"{site.url}/all.m3u8", limits=QUICK)
        assert len(list(source.frames(planes=True))) == 120
        source.close()


def test_a_login_is_shown_to_the_playlists_own_host_alone(hls: Hls) -> None:
    with web() as site, web() as other:
        fill(other, hls)
        name, length = hls[1][0]
        site.files["/a.m3u8"] = f"#EXTM3U\n#EXTINF:{length},\n{other.url}/{name}\n#EXT-X-ENDLIST\n".encode()
        source = open_source(site.url.replace("http://", "http://ann:secret@") + "/a.m3u8", limits=QUICK)
        source.close()
        assert site.asked[0][1]["Authorization"].startswith("Basic ")
        assert "Authorization" not in other.asked[0][1]


def test_what_is_no_playlist_is_refused() -> None:
    with web() as site:
        site.files["/a.m3u8"] = b"<html>"
        with pytest.raises(UnreadableMedia):
            open_source(f"{site.url}/a.m3u8", limits=QUICK)
        with pytest.raises(SourceUnreachable, match="404"):
            open_source(f"{site.url}/b.m3u8", limits=QUICK)
        site.files["/c.m3u8"] = b"#EXTM3U\n" + b"#\n" * 1_000_000
        with pytest.raises(SourceUnreachable, match="larger"):
            open_source(f"{site.url}/c.m3u8", limits=QUICK)
