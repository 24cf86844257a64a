"""Log lines of both forms: ids that are there, ids that are not, and names that try to forge a line."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from service.observability.logs import configure_logs, set_request_id, set_stream_id, with_request_ids

log = logging.getLogger("tests.logs")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The root logger as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


async def logged(form: str, capsys: pytest.CaptureFixture[str], request_id: str, stream_id: str) -> str:
    """The line that a call of these ids logs."""

    async def call() -> None:
        set_request_id(request_id)
        set_stream_id(stream_id)
        log.info("done %d", 1)

    configure_logs("INFO", form)
    await asyncio.create_task(call())
    return capsys.readouterr().err


async def test_text_has_both_ids(capsys: pytest.CaptureFixture[str]) -> None:
    line = await logged("text", capsys, "my-request.1", "cam7")
    assert line.endswith(" INFO tests.logs request_id=my-request.1 stream_id=cam7: done 1\n")
    log.info("outside")
    assert capsys.readouterr().err.endswith(" INFO tests.logs request_id=- stream_id=-: outside\n")


async def test_json_has_both_ids(capsys: pytest.CaptureFixture[str]) -> None:
    entry = json.loads(await logged("json", capsys, "my-request.1", "cam7"))
    assert (entry["request_id"], entry["stream_id"], entry["message"]) == ("my-request.1", "cam7", "done 1")
    assert (entry["level"], entry["logger"]) == ("INFO", "tests.logs")


@pytest.mark.parametrize("form", ["text", "json"])
async def test_a_streams_name_cannot_forge_a_line(capsys: pytest.CaptureFixture[str], form: str) -> None:
    forged = "cam\n2026-01-01 ERROR service: all is lost\x1b[31m"
    line = await logged(form, capsys, "r", forged)
    assert line.count("\n") == 1
    assert "\x1b" not in line


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "\x7f", "a\nb"])
async def test_an_id_that_is_not_valid_is_replaced(capsys: pytest.CaptureFixture[str], given: str) -> None:
    new = json.loads(await logged("json", capsys, given, ""))["request_id"]
    assert len(new) == 16
    assert new != json.loads(await logged("json", capsys, given, ""))["request_id"]


async def test_an_unexpected_error_has_the_id_in_its_answer_and_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(request: Request) -> PlainTextResponse:
        raise KeyError(request.url.path)

    async def answer(_: Request, error: Exception) -> PlainTextResponse:
        log.error("unexpected: %r", error)
        return PlainTextResponse("", 500)

    app = Starlette(routes=[Route("/", broken)], exception_handlers={Exception: answer})
    configure_logs("INFO", "json")
    transport = httpx.ASGITransport(with_request_ids(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        response = await client.get("/", headers={"x-request-id": "mine"})
    assert (response.status_code, response.headers["x-request-id"]) == (500, "mine")
    entries = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [entry["request_id"] for entry in entries if entry["logger"] == "tests.logs"] == ["mine"]
