"""Headers of REST's errors: who is refused for a while is told when to come again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn

import httpx
import pytest

from red_align.errors import ClientTooSlow, DecoderLost, NotReady, Overloaded, RedAlignError, TooLarge, Unauthenticated
from service.api.rest.app import create_app
from service.config.settings import Settings
from service.observability.metrics import Metrics


async def refused(error: RedAlignError) -> httpx.Response:
    """The answer of a real application to a request that is refused."""

    def tenant(_: Any) -> NoReturn:
        raise error

    dataplane: Any = SimpleNamespace(
        settings=Settings(), metrics=Metrics(), ready=True, auth=SimpleNamespace(tenant=tenant)
    )
    transport = httpx.ASGITransport(create_app(dataplane))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return await client.post("/align", content=b"x", headers={"content-type": "video/mp4"})


@pytest.mark.parametrize(
    ("error", "status", "name", "value"),
    [
        (Overloaded("full"), 429, "retry-after", "1"),
        (NotReady("not yet"), 503, "retry-after", "1"),
        (DecoderLost("killed"), 503, "retry-after", "1"),
        (Unauthenticated("who?"), 401, "www-authenticate", "Bearer"),
        (ClientTooSlow("too slow"), 408, "connection", "close"),
    ],
)
async def test_an_error_has_the_header_of_its_status(error: RedAlignError, status: int, name: str, value: str) -> None:
    answer = await refused(error)
    assert (answer.status_code, answer.headers[name]) == (status, value)


async def test_what_no_waiting_mends_has_no_retry_after() -> None:
    answer = await refused(TooLarge("too large", limit="max_upload_bytes"))
    assert answer.status_code == 413
    assert "retry-after" not in answer.headers
