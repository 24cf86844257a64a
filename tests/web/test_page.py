"""The page itself: keys, a server that goes and comes back, phones, access for all, and no other host."""

from __future__ import annotations

import hashlib
import signal
import socket
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.servers import RunningServer, running_server
from tests.web.browser import choose, finished
from tests.web.sample import SAMPLE

SHIFT_JS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => list.getEntries().forEach((e) => shifts.push(e.value)))
    .observe({ type: 'layout-shift', buffered: true });
}"""


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['help']}" for each in found if each["impact"] in ("serious", "critical")]


def test_a_key_is_asked_for_and_taken(context: BrowserContext, tmp_path: Path) -> None:
    key = "a-key-of-32-characters-and-a-few-more"
    (tmp_path / "keys").write_text(f"ann {hashlib.sha256(key.encode()).hexdigest()}\n")
    with running_server(API_KEYS_FILE=str(tmp_path / "keys"), WEB="true") as keyed:
        page = context.new_page()
        page.goto(keyed.http)
        expect(page.get_by_role("alert")).to_contain_text("asks for a key")
        for given in ("wrong", key):
            page.get_by_label("API key or token").fill(given)
            page.get_by_role("button", name="Use this key").click()
            page.wait_for_timeout(300)
        expect(page.get_by_role("alert")).to_be_empty()
        choose(page, SAMPLE)
        assert page.locator(".line").get_attribute("data-state") == "done"
        page.get_by_role("button", name="Use the camera").click()
        page.wait_for_function("() => redAlign.current.camera?.answered.length > 3")
        assert serious(page) == []
        assert key not in "".join(keyed.lines)


def test_a_server_that_is_gone_is_told_and_looked_for_until_it_is_back(context: BrowserContext) -> None:
    port = str(free_port())
    with running_server(HTTP_PORT=port) as first:
        page = context.new_page()
        page.goto(first.http)
        page.wait_for_selector("footer p:has-text('Version')")
        first.stop(signal.SIGTERM)
        page.set_input_files("input[type=file]", str(SAMPLE))
        expect(page.get_by_role("alert")).to_contain_text("does not answer")
    with running_server(HTTP_PORT=port):
        expect(page.get_by_role("status")).to_contain_text("is back", timeout=20_000)
        expect(page.get_by_role("alert")).to_be_empty()
        choose(page, SAMPLE)
        assert page.locator(".line").get_attribute("data-state") == "done"


def test_a_phone_shows_all_of_it_without_scrolling_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    choose(page, SAMPLE)
    wide = page.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= 390
    for control in ("Play", "Cancel", "Take the sample"):
        box = page.get_by_role("button", name=control).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["height"] >= 40
    assert serious(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_before_and_after_a_clip(page: Page, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    assert serious(page) == []
    page.get_by_role("button", name="Take the sample").click()
    finished(page)
    assert serious(page) == []


def test_nothing_moves_while_a_clip_is_processed(page: Page) -> None:
    page.evaluate(SHIFT_JS)
    page.get_by_role("button", name="Take the sample").click()
    finished(page)
    page.wait_for_timeout(300)
    assert page.evaluate("() => shifts.reduce((sum, each) => sum + each, 0)") < 0.01


def test_what_is_on_the_picture_is_said_to_screen_readers(page: Page) -> None:
    choose(page, SAMPLE)
    expect(page.get_by_role("img", name="Frame 0: 1 face")).to_be_visible()
    expect(page.get_by_role("slider", name="Frame")).to_be_enabled()


def test_without_https_the_page_says_why_there_is_no_camera(context: BrowserContext, server: RunningServer) -> None:
    page = context.new_page()
    page.goto(server.http.replace("127.0.0.1", "faces.example"))
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("status")).to_contain_text("cameras to HTTPS pages only")
