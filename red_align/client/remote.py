"""One clip at a server, for whoever has no client at hand: what ``red-align CLIP --server`` needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from red_align.client.access import PathLike, Token
from red_align.client.client import Client

if TYPE_CHECKING:
    from red_align.client.clip import ServerClip


def track_at(
    server: str | Sequence[str],
    source: PathLike,
    *,
    max_faces: int = 1,
    stride: int = 1,
    parallel: int = 1,
    key: str = "",
    token: Token = "",
    ca: PathLike | None = None,
) -> ServerClip:
    """Track the faces of one clip at a server, by a client that ends with the clip.

    Args:
        server: ``grpc://host:port``, ``grpcs://host:port`` or ``host:port``; see ``red_align.Client``.
        source: Path of the clip.
        max_faces: Most faces to track at once.
        stride: Every stride-th frame is processed.
        parallel: Parts of a long video that are tracked side by side, at most.
        key: API key; empty for none.
        token: Bearer token; empty for none.
        ca: PEM file of the authorities that vouch for the server; by default those of the system.

    Returns:
        A ClipTrack, as ``red_align.track`` gives it: FrameResults, ``video``, ``scheme``, ``image`` and ``end``.

    Raises:
        ImportError: gRPC is not installed.
        OSError: The clip cannot be read.
        RedAlignError: See ``red_align.Client.track``.
    """
    client = Client(server, key=key, token=token, ca=ca)
    try:
        clip = client.track(source, max_faces=max_faces, stride=stride, parallel=parallel)
    except BaseException:
        client.close()
        raise
    clip.then(client.close)
    return clip
