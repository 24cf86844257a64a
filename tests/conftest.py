"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.exports import Exported, export
from tests.support.servers import RunningServer, running_server

Exports = Callable[[str], Exported]
"""Exported random networks by scheme; each is made once, since that takes half a minute."""


@pytest.fixture(scope="session")
def server() -> Iterator[RunningServer]:
    """One server for all tests that do not disturb it."""
    with running_server() as running:
        yield running


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """See Exports; nobody may change what it gives."""
    made: dict[str, Exported] = {}

    def of(scheme: str) -> Exported:
        if scheme not in made:
            made[scheme] = export(scheme, tmp_path_factory.mktemp(scheme))
        return made[scheme]

    return of
