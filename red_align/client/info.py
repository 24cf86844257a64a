"""What a server says of itself, and whether this client fits it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from red_align import __version__
from red_align.client.access import Address
from red_align.client.errors import VersionMismatch
from red_align.schemes import SCHEMES, PointScheme

OLDEST_SERVER = (0, 2)
"""The first release whose streams have resume tokens and say where to go on. Later ones only add to it."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server says of itself.

    Attributes:
        version: Of the service.
        scheme: Name of its points, such as ``ibug68``.
        num_points: L, the number of points.
        preset: Of the network, such as ``edge``.
        training_run: That its weights come from.
        engine: Who runs the network: ``embedded`` or ``triton``.
        precision: ``fp32``, ``fp16`` or ``int8``.
        providers: Execution providers that run it; empty with triton.
        max_faces: Most faces to follow at once.
        max_upload_bytes: Largest clip, bytes.
        max_frame_pixels: Largest frame, width times height.
        max_message_bytes: Largest message, bytes: a frame and some hundred bytes more.
        max_parallel: Most parts of a clip that are tracked side by side.
    """

    version: str
    scheme: str
    num_points: int
    preset: str
    training_run: str
    engine: str
    precision: str
    providers: tuple[str, ...]
    max_faces: int
    max_upload_bytes: int
    max_frame_pixels: int
    max_message_bytes: int
    max_parallel: int

    @property
    def points(self) -> PointScheme:
        """The scheme of its points."""
        return SCHEMES[self.scheme]


def check_fit(info: ServerInfo, address: Address) -> None:
    """Hold what a server says against this client.

    Args:
        info: What it says.
        address: Where it is.

    Raises:
        VersionMismatch: They do not fit; the message says which of them to update.
    """
    theirs, ours = _numbers(info.version), _numbers(__version__)
    oldest = ".".join(map(str, OLDEST_SERVER))
    if theirs < OLDEST_SERVER:
        raise VersionMismatch(
            f"the server at {address} is RED Align {info.version}, and this client ({__version__}) needs {oldest} or "
            "newer: update the server"
        )
    if theirs[0] > ours[0] or info.scheme not in SCHEMES:
        wanted = f"pip install 'red-align[client]>={info.version}'"
        raise VersionMismatch(
            f"the server at {address} is RED Align {info.version} with the points {info.scheme!r}, which this client "
            f"({__version__}) does not know: update the client ({wanted})"
        )


def _numbers(version: str) -> tuple[int, int]:
    """Major and minor number; (0, 0) where there are none."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
