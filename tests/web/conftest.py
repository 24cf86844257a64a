"""One browser for the tests of the page, and pages that complain where something is not as it should be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed: the page is not tried in a browser")

from PIL import Image as Pictures
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.servers import RunningServer
from tests.web.browser import WAIT_MS, camera_file, chromium, chromium_path


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium with a camera that shows a clip."""
    if chromium_path() is None:
        pytest.skip("there is no Chromium here: the page is not tried in a browser")
    path = camera_file(tmp_path_factory.mktemp("camera") / "camera.y4m")
    rules = "--host-resolver-rules=MAP faces.example 127.0.0.1"
    with chromium(path, rules) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True) as made:
        made.set_default_timeout(WAIT_MS)
        yield made


@pytest.fixture
def page(context: BrowserContext, server: RunningServer) -> Iterator[Page]:
    """The page of a server that asks for no key; at the end it has made no error and asked no other host."""
    made = context.new_page()
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    made.on("request", lambda request: None if at_home(request.url, server) else wrong.append(request.url))
    made.goto(server.http)
    made.wait_for_selector("footer p:has-text('Version')")
    yield made
    assert wrong == []


def at_home(url: str, server: RunningServer) -> bool:
    """Whether an address is the server's, or none of any server."""
    return url.startswith((server.http, server.http.replace("http", "ws", 1), "blob:", "data:"))


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture without a face."""
    path = tmp_path_factory.mktemp("pictures") / "blank.png"
    Pictures.new("RGB", (320, 240), (90, 110, 130)).save(path)
    return path
