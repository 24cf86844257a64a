"""Uploads as temp files: written while the body arrives, bounded, and removed in every ending."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import anyio

from red_align.errors import ConfigurationError, TooLarge
from service.streams.spool import Spool, run_in_thread

PREFIX = "red-align-upload-"


class Upload:
    """A growing temp file that refuses to grow beyond a limit.

    Args:
        path: Where the file lies.
        spool: Writes it.
        limit: Most bytes.
    """

    def __init__(self, path: Path, spool: Spool, limit: int) -> None:
        self._path, self._spool, self._limit = path, spool, limit
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append, in memory at first; ``drain`` brings it to the disk.

        Raises:
            TooLarge: The upload exceeds the limit.
        """
        self.size += len(data)
        check_size(self.size, self._limit)
        self._spool.write(data)

    async def drain(self) -> None:
        """Wait for the disk where much was appended."""
        await self._spool.drain()

    async def finish(self) -> Path:
        """Write what is left.

        Returns:
            The path to read all bytes from.
        """
        await self._spool.flush()
        return self._path


def check_size(size: int, limit: int) -> None:
    """Refuse a body that is too large.

    Args:
        size: Its bytes.
        limit: Most bytes.

    Raises:
        TooLarge: It exceeds the limit.
    """
    if size > limit:
        raise TooLarge(f"the upload exceeds the limit of {limit} bytes", limit="max_upload_bytes")


class UploadStore:
    """Where uploads lie while they are read.

    Args:
        folder: Their folder.
        limit: Most bytes of one upload.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Upload]:
        """An empty upload; its file is gone after the block."""
        path = self._folder / f"{PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
        file: IO[bytes] | None = None

        def create() -> IO[bytes]:
            nonlocal file
            file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
            return file

        def remove() -> None:
            if file is not None:
                with contextlib.suppress(OSError):  # A full disk: what was not written is not wanted any more.
                    file.close()
            path.unlink(missing_ok=True)

        try:
            yield Upload(path, Spool(await run_in_thread(create)), self._limit)
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_thread(remove)


def prepare_folder(folder: Path) -> int:
    """Make the folder of uploads where it is missing, and remove those of processes that were killed.

    Those of living processes stay.

    Args:
        folder: The folder.

    Returns:
        How many were removed.

    Raises:
        ConfigurationError: The folder cannot be written to, or others than this user may change what lies in it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigurationError(f"RED_TEMP_DIR: {folder}: {error.strerror}") from error
    removed = 0
    for path in folder.glob(f"{PREFIX}*"):
        owner = path.name.removeprefix(PREFIX).partition("-")[0]
        # In a container all are process 1: what is of our own number is of one before us.
        if owner.isdigit() and (int(owner) == os.getpid() or not Path(f"/proc/{owner}").exists()):
            with contextlib.suppress(OSError):
                path.unlink()
                removed += 1
    return removed


def _check_owner(folder: Path) -> None:
    """Who else may rename files in the folder chooses what is decoded, and whose results a client gets."""
    link, there = folder.lstat(), folder.stat()
    if there.st_uid != os.getuid() or link.st_uid not in (os.getuid(), 0):
        raise ConfigurationError(f"RED_TEMP_DIR: {folder} belongs to another user (uid {there.st_uid})")
    mode = stat.S_IMODE(there.st_mode)
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigurationError(
            f"RED_TEMP_DIR: others may write to {folder} (mode {mode:04o}); name a folder for this user alone (0700)"
        )
