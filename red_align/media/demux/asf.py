"""How long a WMV (ASF) file should be: FFmpeg forgets what the header promises where the file is much shorter."""

from __future__ import annotations

import struct
from pathlib import Path

FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
HEADER_BYTES = 64 * 1024
"""Of a header, the part in which its properties lie."""
_PROPERTIES = struct.Struct("<16sQ16sQ8sQQQQI")
_BROADCAST = 1
"""Flag of a file that was written without knowing its length."""


def promised_bytes(path: Path) -> int:
    """The file's size as its header has it.

    Args:
        path: An ASF file.

    Returns:
        Bytes; 0 where the header does not say.
    """
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    at = head.find(FILE_PROPERTIES)
    if at < 0 or at + _PROPERTIES.size > len(head):
        return 0
    values = _PROPERTIES.unpack_from(head, at)
    return 0 if values[-1] & _BROADCAST else int(values[3])
