"""Uploads and spools: what is written is read again, nothing is left behind, and the event loop touches no disk."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from io import IOBase
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest

from red_align.errors import ConfigurationError, TooLarge
from service import lifecycle
from service.api.rest.app import create_app
from service.config.settings import Settings
from service.dataplane import DataPlane
from service.factory import make_dataplane
from service.streams.spool import GATHER_BYTES, open_spool, run_in_thread
from service.streams.uploads import UploadStore, prepare_folder
from tests.support.media import carphone_path
from tests.support.rest import VIDEO

CHUNK = os.urandom(64 * 1024)


def lies_in(file: IOBase, folder: Path) -> bool:
    """Whether an open file is one of the folder's, with or without a name there."""
    try:
        return os.readlink(f"/proc/self/fd/{file.fileno()}").startswith(str(folder))
    except (OSError, ValueError):
        return False


@contextmanager
def disk_calls(folder: Path) -> Iterator[list[str]]:
    """Calls that this thread makes to files of ``folder``: those of open files, and those that open or remove one."""
    made: list[str] = []

    def profile(_: FrameType, event: str, called: Any) -> None:
        if event != "c_call":
            return
        owner, name = getattr(called, "__self__", None), called.__name__
        of_file = isinstance(owner, IOBase) and name != "fileno" and lies_in(owner, folder)
        if of_file or (getattr(owner, "__name__", "") == "posix" and name in ("open", "unlink", "rename")):
            made.append(name)

    sys.setprofile(profile)
    try:
        yield made
    finally:
        sys.setprofile(None)


def test_the_tracer_sees_what_a_thread_does_with_files(tmp_path: Path) -> None:
    with disk_calls(tmp_path) as made, (tmp_path / "file").open("wb") as file:
        file.write(b"x")
        (tmp_path / "file").unlink()
    assert {"write", "unlink"} <= set(made)


async def test_an_upload_is_written_by_other_threads_and_in_few_large_pieces(tmp_path: Path) -> None:
    with disk_calls(tmp_path) as made:
        async with UploadStore(tmp_path, 10 * GATHER_BYTES).open() as upload:
            for _ in range(100):
                upload.write(CHUNK)
                await upload.drain()
            (file,) = await run_in_thread(lambda: list(tmp_path.iterdir()))
            before = await run_in_thread(lambda: file.stat().st_size)
            path = await upload.finish()
            assert await run_in_thread(path.read_bytes) == CHUNK * 100
    assert made == []
    assert before == 100 * len(CHUNK) // GATHER_BYTES * GATHER_BYTES
    assert list(tmp_path.iterdir()) == []


async def test_an_upload_refuses_to_grow_beyond_its_limit_and_is_removed(tmp_path: Path) -> None:
    async with UploadStore(tmp_path, 100_000).open() as upload:
        upload.write(CHUNK)
        with pytest.raises(TooLarge):
            upload.write(CHUNK)
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


async def test_an_upload_is_for_this_user_alone(tmp_path: Path) -> None:
    async with UploadStore(tmp_path, 100).open() as upload:
        assert (await upload.finish()).stat().st_mode & 0o777 == 0o600


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only root can give a folder away; for others the same holds with the users changed round."""
    if os.getuid() == 0:
        os.chown(tmp_path, 12345, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(ConfigurationError, match=r"RED_TEMP_DIR: .* belongs to another user"):
        prepare_folder(tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a link away")
def test_a_link_of_another_user_to_our_folder_is_refused(tmp_path: Path) -> None:
    """Whoever owns the link can point it elsewhere later."""
    (tmp_path / "ours").mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "ours")
    prepare_folder(link)
    os.chown(link, 12345, -1, follow_symlinks=False)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        prepare_folder(link)


async def test_a_cancelled_upload_is_removed_whenever_that_comes(tmp_path: Path) -> None:
    async def receive() -> None:
        async with UploadStore(tmp_path, 2**40).open() as upload:
            for _ in range(50):
                upload.write(CHUNK * 20)
                await upload.drain()
            await asyncio.sleep(60.0)

    for moment in range(30):
        task = asyncio.create_task(receive())
        for _ in range(moment):
            await asyncio.sleep(0)
        await asyncio.sleep(0.001 * (moment % 3))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert list(tmp_path.iterdir()) == []


async def test_work_in_a_thread_ends_before_its_callers_cancellation_does() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(10)
        done.set()

    task = asyncio.create_task(run_in_thread(work))
    await asyncio.to_thread(begun.wait, 10)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()


async def test_a_spool_gives_back_what_was_written(tmp_path: Path) -> None:
    with disk_calls(tmp_path) as made:
        async with open_spool(tmp_path) as spool:
            for _ in range(40):
                spool.write(CHUNK)
                await spool.drain()
            async with aclosing(spool.pieces()) as pieces:
                assert b"".join([piece async for piece in pieces]) == CHUNK * 40
    assert made == []


@pytest.fixture
async def dataplane(tmp_path: Path) -> AsyncIterator[DataPlane]:
    dataplane = make_dataplane(Settings(temp_dir=tmp_path / "uploads"))
    await lifecycle.start(dataplane)
    yield dataplane
    await lifecycle.close(dataplane)


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_a_request_reads_and_writes_no_file_on_the_event_loop(dataplane: DataPlane, form: str) -> None:
    clip, folder = carphone_path().read_bytes(), dataplane.settings.temp_dir
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(dataplane)), base_url="http://here"
    ) as client:
        with disk_calls(folder) as made:
            response = await client.post(f"/align?format={form}", content=clip, headers=VIDEO, timeout=60)
    assert response.status_code == 200
    assert response.text.count("\n") == (121 if form == "csv" else 1)
    assert made == []
