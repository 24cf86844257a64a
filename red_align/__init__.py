"""Facial landmarks in video: 68 points of every face, tracked from frame to frame.

``track`` gives the faces of a clip frame by frame, ``align`` a whole clip as arrays; a ``Tracker`` takes frames from
anywhere, such as a camera; ``draw`` shows what was found; ``load_engine`` chooses where the network runs; a ``Client``
has a server do all of it. Points and boxes are in pixels of the upright frame, x to the right and y down; (0, 0) is the
centre of the top-left pixel. Images are RGB.

Names load when they are first used, so that ``import red_align`` alone stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from red_align.client.async_client import AsyncClient
    from red_align.client.client import Client
    from red_align.client.errors import ServerUnreachable, VersionMismatch
    from red_align.clip.landmarks import ClipLandmarks, align
    from red_align.clip.tracking import ClipTrack, track
    from red_align.engine.default import load_engine
    from red_align.errors import (
        InvalidRequest,
        MissingExtra,
        NoFrames,
        NoVideoStream,
        Overloaded,
        RedAlignError,
        TooLarge,
        Unauthenticated,
        UnreadableMedia,
    )
    from red_align.features.options import FeatureOptions
    from red_align.features.values import Alignment, Expression, Pose
    from red_align.formats.save import save
    from red_align.frames import Face, Frame, FrameResult, FrameStatus, Landmarks, StreamEnd, VideoInfo
    from red_align.geometry import FaceBox
    from red_align.media.overlay import draw
    from red_align.media.reader import DecodeLimits
    from red_align.tracking.options import TrackingOptions
    from red_align.tracking.state import TrackerState
    from red_align.tracking.tracker import Tracker

__version__ = "0.2.0"

__all__ = [
    "Alignment",
    "AsyncClient",
    "Client",
    "ClipLandmarks",
    "ClipTrack",
    "DecodeLimits",
    "Expression",
    "Face",
    "FaceBox",
    "FeatureOptions",
    "Frame",
    "FrameResult",
    "FrameStatus",
    "InvalidRequest",
    "Landmarks",
    "MissingExtra",
    "NoFrames",
    "NoVideoStream",
    "Overloaded",
    "Pose",
    "RedAlignError",
    "ServerUnreachable",
    "StreamEnd",
    "TooLarge",
    "Tracker",
    "TrackerState",
    "TrackingOptions",
    "Unauthenticated",
    "UnreadableMedia",
    "VersionMismatch",
    "VideoInfo",
    "__version__",
    "align",
    "draw",
    "load_engine",
    "save",
    "track",
]

_MODULES = {
    "red_align.client.async_client": ("AsyncClient",),
    "red_align.client.client": ("Client",),
    "red_align.client.errors": ("ServerUnreachable", "VersionMismatch"),
    "red_align.clip.landmarks": ("ClipLandmarks", "align"),
    "red_align.clip.tracking": ("ClipTrack", "track"),
    "red_align.engine.default": ("load_engine",),
    "red_align.errors": (
        "InvalidRequest",
        "MissingExtra",
        "NoFrames",
        "NoVideoStream",
        "Overloaded",
        "RedAlignError",
        "TooLarge",
        "Unauthenticated",
        "UnreadableMedia",
    ),
    "red_align.features.options": ("FeatureOptions",),
    "red_align.features.values": ("Alignment", "Expression", "Pose"),
    "red_align.formats.save": ("save",),
    "red_align.frames": ("Face", "Frame", "FrameResult", "FrameStatus", "Landmarks", "StreamEnd", "VideoInfo"),
    "red_align.geometry": ("FaceBox",),
    "red_align.media.overlay": ("draw",),
    "red_align.media.reader": ("DecodeLimits",),
    "red_align.tracking.options": ("TrackingOptions",),
    "red_align.tracking.state": ("TrackerState",),
    "red_align.tracking.tracker": ("Tracker",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:  # Type checkers see the imports above, and refuse other names.

    def __getattr__(name: str) -> object:
        """Load a public name on its first use (PEP 562)."""
        if name not in _HOMES:
            raise AttributeError(f"module 'red_align' has no attribute '{name}'")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
