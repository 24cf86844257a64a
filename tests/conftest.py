"""Fixtures that all tests share, and one thread for each library that computes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import cv2
import pytest
import torch
from filelock import FileLock

from tests.support.exports import Exported, export, load
from tests.support.servers import RunningServer, running_server

# More of them would fight for the same cores, also in the processes that tests start.
torch.set_num_threads(1)
cv2.setNumThreads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")

Exports = Callable[[str], Exported]
"""Exports of random networks by their names in tests.support.exports; each is made once, since that takes long."""


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for an export is slow."""
    for item in items:
        if isinstance(item, pytest.Function) and "exports" in item.fixturenames:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def server() -> Iterator[RunningServer]:
    """One server for all tests that do not disturb it."""
    with running_server() as running:
        yield running


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Exports:
    """See Exports; nobody may change what it gives. Test processes that run side by side share the files."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "exports"
    shared.mkdir(exist_ok=True)
    loaded: dict[str, Exported] = {}

    def of(name: str) -> Exported:
        if name not in loaded:
            with FileLock(shared / f"{name}.lock"):
                if not (shared / name).exists():
                    unfinished = shared / f"{name}.{worker_id}"
                    unfinished.mkdir()
                    export(name, unfinished)
                    unfinished.rename(shared / name)
            loaded[name] = load(shared / name)
        return loaded[name]

    return of
