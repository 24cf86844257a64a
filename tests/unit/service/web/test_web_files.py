"""The page's files: those of others are unchanged and have their licences, all are served under a strict policy."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from service.web.pages import STATIC, page_headers, page_router, read_files

VENDOR = STATIC / "vendor"
MOST_LINES = 325


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    app.include_router(page_router())
    return TestClient(app)


def own_scripts() -> list[Path]:
    return sorted(STATIC.glob("*.js"))


def test_files_of_others_are_as_they_were_published_and_come_with_their_licences() -> None:
    listed = {}
    for line in (VENDOR / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        listed[name.removeprefix("./")] = digest
    there = {path.relative_to(VENDOR).as_posix(): path for path in VENDOR.rglob("*") if path.is_file()}
    del there["SHA256SUMS"]
    assert listed == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in there.items()}
    folders = {name.split("/")[0] for name in listed}
    assert folders == {"htm-3.1.1", "preact-11.2.0", "uplot-1.6.32"}
    assert all(f"{folder}/LICENSE" in listed for folder in folders)


def test_every_import_of_the_page_is_one_of_its_own_files() -> None:
    index = (STATIC / "index.html").read_text()
    named = dict(re.findall(r'"([\w/]+)": "/web/([^"]+)"', index))
    files = read_files()
    assert set(named.values()) <= set(files)
    for path in own_scripts():
        for source in re.findall(r'from "([^"]+)"', path.read_text()):
            assert source in named or source.removeprefix("./") in files, f"{path.name} imports {source}"
    for address in re.findall(r'(?:href|src)="([^"]+)"', index):
        assert address.removeprefix("/web/") in files


def test_modules_of_the_page_are_small() -> None:
    assert len(own_scripts()) >= 10
    assert {path.name for path in own_scripts() if len(path.read_text().splitlines()) > MOST_LINES} == set()


def test_the_page_may_reach_its_own_service_alone(client: TestClient) -> None:
    answer = client.get("/")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    (inline,) = re.findall(r"<script(?: type=\"importmap\")?>(.*?)</script>", answer.text, re.S)
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    assert policy["script-src"] == f"'self' 'sha256-{digest}'"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_page_without_an_import_map_is_noticed_at_start() -> None:
    with pytest.raises(AssertionError):
        page_headers(b"<html></html>")


@pytest.mark.parametrize(
    ("path", "kind", "cached"),
    [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/web/app.js", "text/javascript; charset=utf-8", "no-cache"),
        (
            "/web/vendor/preact-11.2.0/preact.mjs",
            "text/javascript; charset=utf-8",
            "public, max-age=31536000, immutable",
        ),
        ("/web/sample.mp4", "video/mp4", "no-cache"),
    ],
)
def test_files_have_types_and_are_cached_by_their_content(
    client: TestClient, path: str, kind: str, cached: str
) -> None:
    answer = client.get(path)
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (kind, cached)
    again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.head(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/web/", "/web/none.js", "/web/../pages.py", "/web/%2e%2e/pages.py", "/web/vendor/SHA256SUMS"]
)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404
