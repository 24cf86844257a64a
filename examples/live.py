"""Faces of a live source: ``python examples/live.py SOURCE`` prints a line a frame until it ends or Ctrl-C.

SOURCE is the number of a camera (0), an address that FFmpeg opens (rtsp://..., a playlist of HLS), or a file.
``--option NAME=VALUE`` passes an option of FFmpeg on, such as rtsp_transport=udp. An rtsp:// address is opened again
when it breaks off.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator

import av
import cv2
import numpy as np
from numpy.typing import NDArray

import red_align

RETRY_S = 1.0
TIMEOUT_S = 10.0


def camera_frames(number: int) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """RGB frames of a camera, each with the seconds since the first one."""
    camera, began = cv2.VideoCapture(number), time.monotonic()
    try:
        while (read := camera.read())[0]:
            yield np.asarray(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), np.uint8), time.monotonic() - began
    finally:
        camera.release()


def address_frames(address: str, options: dict[str, str]) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """RGB frames of what FFmpeg opens, each with the seconds since the first one, by the source's own clock."""
    again = address.startswith("rtsp://")
    if again:
        options = {"rtsp_transport": "tcp", **options}
    began = time.monotonic()
    while True:
        offset_s = time.monotonic() - began if again else 0.0
        try:
            with av.open(address, options=options, timeout=TIMEOUT_S) as container:
                first_s: float | None = None
                for frame in container.decode(video=0):
                    time_s = frame.time or 0.0
                    first_s = time_s if first_s is None else first_s
                    yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), offset_s + time_s - first_s
        except av.FFmpegError as error:
            if not again:
                raise
            print(f"{address}: {error}", file=sys.stderr)
        if not again:
            return
        time.sleep(RETRY_S)


def main() -> int:
    """Track, and print."""
    parser = argparse.ArgumentParser(description="Faces of a camera, an address or a file.")
    parser.add_argument("source")
    parser.add_argument("--max-faces", type=int, default=1)
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="an option of FFmpeg")
    given = parser.parse_args()
    options = dict(option.split("=", 1) for option in given.option)
    frames = camera_frames(int(given.source)) if given.source.isdigit() else address_frames(given.source, options)
    count, last_s = 0, -1.0
    with red_align.Tracker(max_faces=given.max_faces) as tracker, contextlib.suppress(KeyboardInterrupt):
        for image, time_s in frames:
            last_s = max(time_s, last_s + 0.001)  # Times of a tracker must grow; some sources repeat theirs.
            result = tracker.track(image, last_s)
            noses = [f"#{face.track_id} nose at {face.landmarks.points[30].round(1).tolist()}" for face in result.faces]
            print(f"{count:5d} {last_s:8.3f} s  {'; '.join(noses) or 'no face'}", flush=True)
            count += 1
    print(f"{count} frames")
    return 0 if count else 1


if __name__ == "__main__":
    sys.exit(main())
