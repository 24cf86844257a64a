"""Another FFmpeg than the reader's: makes files of nearly any kind, and says what is in them."""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.support.media import Image


def has_ffmpeg() -> bool:
    """Whether imageio-ffmpeg, which brings the program, is installed."""
    return importlib.util.find_spec("imageio_ffmpeg") is not None


def ffmpeg(*arguments: str | Path) -> None:
    """Run it; raises CalledProcessError with what it said where it fails."""
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-y", "-v", "error", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)


@dataclass(frozen=True)
class Seen:
    """What another reader sees in a file.

    Attributes:
        times_s: Of the frames, from the first one.
        size: Upright width and height, pixels as they are stored.
        first: The first frame, RGB.
    """

    times_s: tuple[float, ...]
    size: tuple[int, int]
    first: Image


def seen(path: Path, folder: Path, *, stream: str = "0:v:0", form: str = "") -> Seen | None:
    """Read a file with FFmpeg; None where it sees no frame.

    Args:
        path: The file.
        folder: For what it writes.
        stream: Which of its streams; "" for the one that FFmpeg chooses.
        form: Name of the container's format, where FFmpeg is to be told.
    """
    table, raw = folder / "frames.txt", folder / "first.rgb"
    table.unlink(missing_ok=True)
    raw.unlink(missing_ok=True)
    given = (*(("-f", form) if form else ()), "-i", path)
    # Pictures in tiles have no stream of their own, and no time base.
    timed = ("-map", stream, "-fps_mode", "passthrough", "-enc_time_base", "demux") if stream else ()
    picture = (*(("-map", stream) if stream else ()), "-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo")
    with contextlib.suppress(subprocess.CalledProcessError):  # Damaged files end so; what came before is written.
        ffmpeg(*given, *timed, "-f", "framecrc", table)
        ffmpeg(*given, *picture, raw)
    lines = table.read_text().splitlines() if table.exists() else []
    head = dict(line[1:].split(" 0: ") for line in lines if " 0: " in line)
    stamps = [int(line.split(",")[2]) for line in lines if not line.startswith("#")]
    if not stamps or not raw.exists() or not raw.stat().st_size:
        return None
    width, height = (int(side) for side in head["dimensions"].split("x"))
    base = Fraction(head["tb"])
    times = tuple(float((stamp - stamps[0]) * base) for stamp in stamps)
    first = np.frombuffer(raw.read_bytes()[: width * height * 3], np.uint8).reshape(height, width, 3)
    return Seen(times, (width, height), first)
