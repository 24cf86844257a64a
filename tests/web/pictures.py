"""Pictures of the page for those who make it and for the README: ``python -m tests.web.pictures [--readme]``.

Light and dark, wide and on a phone, in out/web; with --readme also docs/page.webp (moving) and docs/page-camera.webp.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

from PIL import Image as Pictures
from playwright.sync_api import Browser, Page

from tests.support.servers import RunningServer, running_server
from tests.web.browser import camera_file, chromium, finished

ROOT = Path(__file__).parents[2]
MOST_BYTES = 1_500_000
WIDE = (1120, 1180)
EVERY = 5
"""Frames of the sample between two of the moving picture."""


def opened(browser: Browser, server: RunningServer, size: tuple[int, int], scheme: str) -> Page:
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page.goto(server.http)
    page.wait_for_selector("footer p:has-text('Version')")
    return page


def show_sample(page: Page, at: int) -> None:
    page.get_by_role("button", name="Take the sample").click()
    finished(page)
    go_to(page, at)


def go_to(page: Page, at: int) -> None:
    page.evaluate("(at) => redAlign.current.player.goTo(at)", at)
    page.wait_for_function("(at) => redAlign.current.player.at === at", arg=at)
    page.wait_for_timeout(160)


def shot(page: Page) -> Pictures.Image:
    return Pictures.open(io.BytesIO(page.screenshot())).convert("RGB")


def moving(page: Page) -> list[Pictures.Image]:
    """The sample from its beginning to its end, with trails."""
    page.locator("input[name=trails]").check()
    images = []
    count = int(page.evaluate("() => redAlign.current.player.frames.length"))
    for at in range(0, count, EVERY):
        go_to(page, at)
        images.append(shot(page).resize((840, 885), Pictures.Resampling.LANCZOS))
    return images


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description="Pictures of the page, in out/web.")
    parser.add_argument("--readme", action="store_true", help="write docs/page.webp and docs/page-camera.webp too")
    wanted = parser.parse_args()
    out = ROOT / "out" / "web"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_server() as server:
        camera = camera_file(Path(folder) / "camera.y4m")
        with chromium(camera) as browser:
            for scheme in ("light", "dark"):
                for name, size in (("wide", WIDE), ("phone", (390, 844))):
                    page = opened(browser, server, size, scheme)
                    shot(page).save(out / f"{name}-{scheme}-empty.png")
                    show_sample(page, 110)
                    shot(page).save(out / f"{name}-{scheme}.png")
                    page.close()
            page = opened(browser, server, (1120, 760), "dark")
            page.get_by_role("button", name="Use the camera").click()
            page.wait_for_timeout(6000)
            camera_shot = shot(page)
            camera_shot.save(out / "camera.png")
            page.close()
            if wanted.readme:
                page = opened(browser, server, WIDE, "light")
                show_sample(page, 0)
                first, *rest = moving(page)
                path = ROOT / "docs" / "page.webp"
                first.save(path, save_all=True, append_images=rest, duration=200, loop=0, quality=62, method=4)
                assert path.stat().st_size < MOST_BYTES, path.stat().st_size
                camera_shot.save(ROOT / "docs" / "page-camera.webp", quality=80)
    print(f"pictures in {out}")


if __name__ == "__main__":
    main()
