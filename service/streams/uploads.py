"""Uploads as temp files: written while the body arrives, bounded, and removed in every ending."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import anyio

from red_align.errors import ConfigurationError, TooLarge

if TYPE_CHECKING:
    from service.dataplane import DataPlane


PREFIX = "red-align-upload-"


class Upload:
    """A growing temp file that refuses to grow beyond the limit."""

    def __init__(self, path: Path, file: BinaryIO, limit: int) -> None:
        self.path, self._file, self._limit = path, file, limit
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append; raises TooLarge."""
        self.size += len(data)
        check_size(self.size, self._limit)
        self._file.write(data)

    def finish(self) -> Path:
        """All bytes are there: the path to read them from."""
        self._file.flush()
        return self.path


def check_size(size: int, limit: int) -> None:
    """Raise TooLarge when a body of ``size`` bytes exceeds the limit."""
    if size > limit:
        raise TooLarge(f"the upload exceeds the limit of {limit} bytes", limit="max_upload_bytes")


@asynccontextmanager
async def upload_file(dataplane: DataPlane) -> AsyncIterator[Upload]:
    """An empty upload; its file is gone after the block."""
    handle, name = tempfile.mkstemp(prefix=f"{PREFIX}{os.getpid()}-", dir=dataplane.settings.temp_dir)
    try:
        with os.fdopen(handle, "wb") as file:
            yield Upload(Path(name), file, dataplane.settings.max_upload_bytes)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: Path(name).unlink(missing_ok=True))


def prepare_folder(folder: Path) -> int:
    """Make the folder of uploads where it is missing, and remove those of processes that were killed; their number.

    Those of living ones stay. Raises ConfigurationError where it cannot be written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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
