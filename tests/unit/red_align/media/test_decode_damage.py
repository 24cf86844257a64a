"""Decoding of what is cut, damaged or no video at all: frames that decode come, and the reader says what is missing."""

from __future__ import annotations

import random
import struct
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from red_align.errors import EmptyBody, NoFrames, NoVideoStream, RedAlignError, UnreadableMedia
from red_align.media.reader import DecodeLimits, open_media
from tests.support.media import carphone_frames, carphone_path, encode_video, jpeg, read, write_sound, write_video


def cut(path: Path, share: float) -> Path:
    """The file's first bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_cut_mp4_gives_every_frame_that_came_whole(tmp_path: Path, share: float) -> None:
    path = write_video(tmp_path / "clip.mp4", list(carphone_frames()), options={"movflags": "faststart"})
    _, all_frames = read(path)
    bound = path.stat().st_size * share
    with av.open(str(path)) as container:
        whole = {p.pts for p in container.demux(video=0) if p.pos is not None and p.size and p.pos + p.size <= bound}
    reader, frames = read(cut(path, share))
    assert len(frames) == len(whole)
    by_time = {f.time_s: f.image for f in all_frames if f.image is not None}
    for frame in frames:
        assert frame.image is not None
        assert np.array_equal(frame.image, by_time[frame.time_s])
    assert not reader.complete
    assert f"broke off after frame {len(frames) - 1} at" in reader.warnings[-1]


def _fast(stream: VideoStream) -> None:
    if stream.codec_context.name == "libvpx":
        stream.codec_context.options = {"deadline": "realtime", "cpu-used": "8"}


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", ["clip.mkv", "clip.avi", "clip.webm", "clip.flv"])
def test_a_cut_file_whose_header_tells_the_length_is_incomplete(tmp_path: Path, name: str, share: float) -> None:
    codec = "libvpx" if name.endswith("webm") else "libx264"
    path = encode_video(tmp_path / name, carphone_frames(), codec=codec, prepare=_fast)
    assert read(path)[0].complete
    reader, frames = read(cut(path, share))
    assert 0 < len(frames) < 120
    assert not reader.complete
    assert any("broke off after frame" in warning for warning in reader.warnings)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_transport_stream_gives_what_is_there(tmp_path: Path, share: float) -> None:
    path = encode_video(tmp_path / "clip.ts", carphone_frames())
    assert read(path)[0].complete
    _, frames = read(cut(path, share))
    assert 0 < len(frames) < 120
    assert [f.index for f in frames] == list(range(len(frames)))


def test_a_last_motion_jpeg_cut_in_half_is_reported(tmp_path: Path) -> None:
    path = encode_video(tmp_path / "clip.avi", carphone_frames()[:50], codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(path)) as container:
        *_, last = (p for p in container.demux(video=0) if p.size)
    assert last.pos is not None
    path.write_bytes(path.read_bytes()[: last.pos + last.size // 2])
    reader, frames = read(path)
    assert len(frames) == 49
    assert not reader.complete
    assert reader.warnings


@pytest.mark.parametrize("seed", range(6))
def test_bytes_flipped_in_the_middle_of_an_mp4_are_reported_or_do_no_harm(tmp_path: Path, seed: int) -> None:
    path = write_video(tmp_path / "clip.mp4", list(carphone_frames()))
    data = bytearray(path.read_bytes())
    at = random.Random(seed).randrange(len(data) // 4, len(data) // 2)
    for i in range(at, at + 300):
        data[i] ^= 0xFF
    path.write_bytes(data)
    reader, frames = read(path)
    assert frames
    assert len(frames) == 120 or not reader.complete
    assert reader.complete == (not reader.warnings)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi", "clip.ts"])
def test_any_damaged_header_ends_in_frames_or_in_our_error(tmp_path: Path, name: str) -> None:
    path = encode_video(tmp_path / name, carphone_frames()[:4])
    sound = path.read_bytes()
    chance = random.Random(7)
    ends: set[str] = set()
    for _ in range(60):
        data = bytearray(sound)
        for _ in range(3):
            data[chance.randrange(min(len(data), 600))] = chance.choice([0, 0xFF, chance.randrange(256)])
        path.write_bytes(data)
        try:
            read(path)
            ends.add("frames")
        except RedAlignError as error:
            ends.add(error.reason)
    assert "INTERNAL" not in ends


@pytest.mark.parametrize("name", ["text.mp4", "random.mp4", "random.mkv"])
def test_bytes_that_are_no_video_are_unreadable_whatever_their_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"not a video\n" * 500 if name.startswith("text") else np.random.default_rng(3).bytes(50_000))
    with pytest.raises(UnreadableMedia):
        open_media(path, DecodeLimits())


def test_an_empty_file_is_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(EmptyBody):
        open_media(tmp_path / "empty.mp4", DecodeLimits())


@pytest.mark.parametrize("name", ["sound.mp4", "sound.m4a", "sound.mkv"])
def test_sound_alone_is_reported_as_sound_alone(tmp_path: Path, name: str) -> None:
    with pytest.raises(NoVideoStream, match="audio"):
        open_media(write_sound(tmp_path / name), DecodeLimits())


def test_a_wav_file_holds_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(32_000))
    with pytest.raises(NoVideoStream, match="audio"):
        open_media(path, DecodeLimits())


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    picture = b"\0image/jpeg\0\x03\0" + jpeg(carphone_frames()[0])
    frame = b"APIC" + struct.pack(">IH", len(picture), 0) + picture
    size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    song = write_sound(tmp_path / "plain.mp3", "libmp3lame").read_bytes()
    path = tmp_path / "cover.mp3"
    path.write_bytes(b"ID3\x03\0\0" + size + frame + song)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(NoVideoStream):
        open_media(path, DecodeLimits())


def test_an_mp4_whose_tables_list_no_frame_has_no_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "none.mp4", list(carphone_frames()[:20]))
    data = bytearray(path.read_bytes())
    for table, offset in ((b"stts", 8), (b"stsc", 8), (b"stco", 8), (b"ctts", 8), (b"stss", 8), (b"stsz", 12)):
        struct.pack_into(">I", data, data.index(table) + offset, 0)
    path.write_bytes(data)
    with pytest.raises(NoFrames):
        open_media(path, DecodeLimits())


@pytest.mark.parametrize("kept", [0, 40])
def test_an_mp4_that_breaks_off_before_its_first_frame_has_no_frames(tmp_path: Path, kept: int) -> None:
    path = write_video(tmp_path / "head.mp4", list(carphone_frames()[:20]), options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 4 + kept])
    with pytest.raises(NoFrames):
        open_media(path, DecodeLimits())


def test_a_video_in_which_nothing_decodes_has_no_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "noise.mp4", list(carphone_frames()[:20]))
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = np.random.default_rng(4).bytes(end - start)
    path.write_bytes(data)
    with pytest.raises(NoFrames, match="20 packets"):
        open_media(path, DecodeLimits())


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "list.ffconcat"])
def test_playlists_and_scripts_that_open_other_files_are_refused(tmp_path: Path, name: str) -> None:
    if name == "list.ffconcat":
        (tmp_path / "clip.mp4").write_bytes(carphone_path().read_bytes())
        text = "ffconcat version 1.0\nfile 'clip.mp4'\n"
    else:
        clip = encode_video(tmp_path / "clip.ts", carphone_frames()[:20])
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:5,\n{clip}\n#EXT-X-ENDLIST\n"
    path = tmp_path / name
    path.write_text(text)
    if name != "list.mp4":
        # FFmpeg by itself would follow it, so it is our list of formats that refuses.
        free = {"protocol_whitelist": "file,crypto", "allowed_extensions": "ALL"}
        with av.open(str(path), options=free) as container:
            assert next(container.decode(video=0)).width == 176
    with pytest.raises(UnreadableMedia):
        open_media(path, DecodeLimits())
