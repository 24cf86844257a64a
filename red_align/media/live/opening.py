"""Cameras of this machine, and network streams."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np

from red_align.errors import CameraRefused
from red_align.frames import VideoInfo
from red_align.media.live.reader import LiveReader, Picture, SizeCheck

CONNECT_S = 10.0
"""Seconds to connect to a network stream, and to wait for its next packet."""


def open_camera(number: int, check: SizeCheck) -> LiveReader:
    """Open a camera of this machine.

    Args:
        number: From 0, as OpenCV counts them.
        check: See LiveReader.

    Raises:
        CameraRefused: There is none, it may not be opened, or another program has it.
        TooLarge: What ``check`` raises.
    """
    _look_at_device(number)
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # It is said here, in a sentence.
    try:
        camera = cv2.VideoCapture(number)
    finally:
        cv2.utils.logging.setLogLevel(level)
    good, first = camera.read() if camera.isOpened() else (False, None)
    if not good or first is None:
        camera.release()
        raise CameraRefused(
            f"camera {number} gives no picture: does another program use it? Close that one, or unplug the camera and "
            "plug it in again"
        )
    info = VideoInfo(first.shape[1], first.shape[0], float(camera.get(cv2.CAP_PROP_FPS) or 0.0))

    def pictures() -> Iterator[Picture]:
        began, image, good = time.monotonic(), first, True
        while good and image is not None:
            yield np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), time.monotonic() - began
            good, image = camera.read()

    return LiveReader(pictures(), info, camera.release, check)


def _look_at_device(number: int) -> None:
    """What Linux says of a camera before it is opened."""
    if sys.platform != "linux":
        return
    device = Path(f"/dev/video{number}")
    if not device.exists():
        there = sorted(int(path.name[5:]) for path in Path("/dev").glob("video*") if path.name[5:].isdigit())
        known = f"there are {', '.join(map(str, there))}" if there else "this machine shows none"
        raise CameraRefused(
            f"there is no camera {number} ({device}): {known}. Plug it in, or give a file or an address"
        )
    if not os.access(device, os.R_OK | os.W_OK):
        raise CameraRefused(
            f"camera {number} may not be opened by this user: join the group of {device} (`sudo usermod -aG video "
            "$USER`) and log in again"
        )


def open_stream(url: str, check: SizeCheck) -> LiveReader:
    """Open a network stream.

    Args:
        url: ``rtsp://...`` and what else FFmpeg takes.
        check: See LiveReader.

    Raises:
        CameraRefused: Nothing answers there, or it is no video.
        TooLarge: What ``check`` raises.
    """
    options = {"rtsp_transport": "tcp"} if url.startswith(("rtsp://", "rtsps://")) else {}
    try:
        container: Any = av.open(url, options=options, timeout=CONNECT_S)
    except (av.error.FFmpegError, OSError) as error:
        raise CameraRefused(
            f"{_without_password(url)} cannot be opened ({_why(error)}): is the address right, is the camera on, and "
            "does it want a name and password (rtsp://NAME:PASSWORD@HOST/...)?"
        ) from error
    if not container.streams.video:
        container.close()
        raise CameraRefused(f"{_without_password(url)} has no video: give the address of the camera's picture")
    stream = container.streams.video[0]
    info = VideoInfo(stream.width, stream.height, float(stream.average_rate or stream.guessed_rate or 0))

    def pictures() -> Iterator[Picture]:
        first: float | None = None
        for frame in container.decode(stream):
            now = time.monotonic() if frame.time is None else float(frame.time)
            first = now if first is None else first
            yield np.ascontiguousarray(frame.to_ndarray(format="rgb24")), now - first

    return LiveReader(pictures(), info, container.close, check)


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or error)


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"
