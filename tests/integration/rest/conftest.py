"""Fixtures of the REST tests that send bad input: a server with low limits, checked after every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.rest import assert_unharmed, limited_server
from tests.support.servers import RunningServer


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the server's temp files."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def small(uploads: Path) -> Iterator[RunningServer]:
    """A server with low limits."""
    with limited_server(uploads) as running:
        yield running


@pytest.fixture
def unharmed(small: RunningServer, uploads: Path) -> Iterator[None]:
    """Whatever the test did, the server serves and keeps nothing."""
    yield
    assert_unharmed(small, uploads)
