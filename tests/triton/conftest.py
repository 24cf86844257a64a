"""Servers for the tests: one that all may share, and a maker of servers to disturb."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from export.repository.triton_config import ServeOptions, Strategy
from service.config.settings import MODEL_FOLDER
from tests.triton.server import TritonProcess, make_repository, triton_server

Make = Callable[..., TritonProcess]


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonProcess]:
    """The shipped model on a server that nobody disturbs."""
    folder = tmp_path_factory.mktemp("triton")
    options = ServeOptions(gpu=False, max_batch=16, candidates=256)
    with triton_server(make_repository(MODEL_FOLDER, folder / "models", options), folder / "server") as server:
        yield server


@pytest.fixture
def make_triton(tmp_path: Path) -> Iterator[Make]:
    """Servers with options of their own; they end with the test."""
    count = itertools.count()
    with ExitStack() as stack:

        def make(
            delay_s: float = 0.0,
            graphs: Path = MODEL_FOLDER,
            *,
            max_batch: int = 16,
            candidates: int = 64,
            strategy: Strategy = "oldest",
            idle_s: float = 60.0,
            instances: int = 1,
        ) -> TritonProcess:
            folder = tmp_path / f"triton{next(count)}"
            options = ServeOptions(
                gpu=False,
                max_batch=max_batch,
                candidates=candidates,
                strategy=strategy,
                idle_s=idle_s,
                instances=instances,
            )
            repository = make_repository(graphs, folder / "models", options, delay_s)
            return stack.enter_context(triton_server(repository, folder / "server"))

        yield make
