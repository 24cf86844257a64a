"""A real Chromium for tests and pictures: Debian's, or Playwright's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from tests.web.sample import SAMPLE

WAIT_MS = 60_000
NAMES = ("chromium", "chromium-browser", "google-chrome-stable")


def chromium_path() -> str | None:
    """Where a Chromium is; None where there is none."""
    named = os.environ.get("CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), None)
    if named is None:
        with sync_playwright() as playwright:
            own = playwright.chromium.executable_path
        named = own if Path(own).exists() else None
    return named


@contextmanager
def chromium(camera: Path | None = None, *arguments: str) -> Iterator[Browser]:
    """A browser without a window.

    Args:
        camera: A Y4M file that its camera shows over and over; None for no camera.
        arguments: Further switches.
    """
    switches = ["--no-sandbox", "--force-color-profile=srgb", "--disable-dev-shm-usage", *arguments]
    if camera is not None:
        switches += [
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={camera}",
        ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=switches)
        try:
            yield browser
        finally:
            browser.close()


def camera_file(path: Path, frames: int = 60) -> Path:
    """The beginning of the sample as a Y4M file of 30 frames a second.

    Args:
        path: Where to write it.
        frames: How many.
    """
    with av.open(str(SAMPLE)) as clip, path.open("wb") as file:
        stream = clip.streams.video[0]
        file.write(f"YUV4MPEG2 W{stream.width} H{stream.height} F30:1 Ip A1:1 C420jpeg\n".encode())
        for _, frame in zip(range(frames), clip.decode(stream), strict=False):
            planes = np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8)
            file.write(b"FRAME\n" + planes.tobytes())
    return path


def choose(page: Page, path: Path) -> None:
    """Give the page a file, and wait until it is done with it."""
    page.set_input_files("input[type=file]", str(path))
    finished(page)


def finished(page: Page) -> None:
    """Wait until the clip was processed, or was not."""
    page.wait_for_selector(
        ".line[data-state=done], .line[data-state=failed], .line[data-state=cancelled]", timeout=WAIT_MS
    )
