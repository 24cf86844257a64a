"""Temp files that the event loop fills and reads without waiting for the disk: threads do that for it."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TypeVar

import anyio
import anyio.to_thread

GATHER_BYTES = 1024 * 1024
"""Bytes that are gathered before a thread writes them: a switch of threads costs more than 64 KiB do."""
_READ_BYTES = 256 * 1024

T = TypeVar("T")


async def run_in_thread(work: Callable[[], T]) -> T:
    """Do blocking work in a thread, and wait for its end even where the caller is cancelled meanwhile.

    A thread cannot be interrupted; a file must not be closed or removed beneath it.

    Args:
        work: The work.

    Returns:
        What it returns.
    """
    task = asyncio.ensure_future(anyio.to_thread.run_sync(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            while not task.done():
                with contextlib.suppress(asyncio.CancelledError):  # Once is enough.
                    await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # Retrieved, so that it is not logged: the caller gets its cancellation instead.
        raise


class Spool:
    """A temp file that is written as an ``asyncio.StreamWriter`` is: ``write`` gathers, ``drain`` waits for the disk.

    Args:
        file: An open binary file with a buffer, whose lock keeps threads apart.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._gathered = bytearray()

    def write(self, data: bytes) -> None:
        """Gather bytes; ``drain`` must be awaited now and then, or they all stay in memory."""
        self._gathered += data

    async def drain(self) -> None:
        """Write where much is gathered."""
        if len(self._gathered) >= GATHER_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Write all of it: who opens the file by its name then reads all that was written."""
        data, self._gathered = self._gathered, bytearray()

        def write() -> None:
            self._file.write(data)
            self._file.flush()

        await run_in_thread(write)

    async def pieces(self) -> AsyncGenerator[bytes]:
        """All that was written, from the beginning."""
        await self.flush()
        await run_in_thread(lambda: self._file.seek(0))
        while piece := await run_in_thread(lambda: self._file.read(_READ_BYTES)):
            yield piece


@asynccontextmanager
async def open_spool(folder: Path) -> AsyncIterator[Spool]:
    """A spool in a file without a name, which is gone after the block however it ends.

    Args:
        folder: Where the file lies.
    """
    file: IO[bytes] | None = None

    def create() -> IO[bytes]:
        nonlocal file
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed below
        return file

    try:
        yield Spool(await run_in_thread(create))
    finally:
        if file is not None:
            # A full disk: what was not written is not wanted any more.
            with anyio.CancelScope(shield=True), contextlib.suppress(OSError):
                await run_in_thread(file.close)
