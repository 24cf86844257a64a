"""Which features a caller wants."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeAlias

from red_align.errors import InvalidRequest
from red_align.names import unknown

FEATURES = ("pose", "expression", "alignment", "crop")
"""Names of features; ``crop`` is the alignment with its picture."""
MAX_FOCAL_PX = 1e6


class Smoothing(StrEnum):
    """How points are made steadier.

    Attributes:
        NONE: Not at all.
        ONE_EURO: By the past alone (Casiez et al. 2012): for live streams, with a small delay.
        LOOK_AHEAD: By the frames before and after, without delay of the points: for clips, whose answers come four
            frames later.
    """

    NONE = "none"
    ONE_EURO = "one_euro"
    LOOK_AHEAD = "look_ahead"


@dataclass(frozen=True, slots=True)
class FeatureOptions:
    """What is wanted beside the points, and which points.

    Attributes:
        names: Of FEATURES, each once.
        points: 5, 7, 51 or 68 points; 0 for all of the model.
        smooth: ``none``, ``one_euro`` or ``look_ahead`` (clips alone).
        focal_px: Focal length of the camera in pixels, for the pose; 0 where it is not known: the longer side of the
            frame is assumed, a field of view of 53 degrees along it.

    Example:
        >>> import red_align
        >>> options = red_align.FeatureOptions(("pose",), points=51, smooth="look_ahead")
        >>> clip = red_align.align("clip.mp4", features=options)
        >>> clip.points.shape, clip.pose.shape
        ((120, 1, 51, 2), (120, 1, 6))
    """

    names: tuple[str, ...] = ()
    points: int = 0
    smooth: str = Smoothing.NONE
    focal_px: float = 0.0

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in FEATURES:
                raise InvalidRequest(unknown("feature", name, FEATURES))
        if self.smooth not in list(Smoothing):
            raise InvalidRequest(unknown("smoothing", self.smooth, list(Smoothing)))
        if not (math.isfinite(self.focal_px) and 0.0 <= self.focal_px <= MAX_FOCAL_PX):
            raise InvalidRequest(
                f"focal_px is {self.focal_px}, it must be above 0 and at most {MAX_FOCAL_PX:g}; 0: none"
            )

    @classmethod
    def of(cls, features: FeaturesLike, points: int = 0, smooth: str = Smoothing.NONE, focal_px: float = 0.0) -> Self:
        """Options from what a caller wrote.

        Args:
            features: Names, one after another or in one string with commas; or options, which are returned.
            points: See FeatureOptions.
            smooth: See FeatureOptions; "" stands for ``none``.
            focal_px: See FeatureOptions.

        Raises:
            InvalidRequest: A name is unknown, or a number out of range.
        """
        if isinstance(features, cls):
            return features
        given = features.split(",") if isinstance(features, str) else features
        names = (name.strip() for name in given)  # type: ignore[union-attr]
        return cls(tuple(dict.fromkeys(name for name in names if name)), points, smooth or Smoothing.NONE, focal_px)

    def wants(self, *names: str) -> bool:
        """Whether one of these features is wanted.

        Args:
            names: Of FEATURES.
        """
        return any(name in self.names for name in names)

    @property
    def any(self) -> bool:
        """Whether anything is wanted at all."""
        return bool(self.names or self.points or self.smooth != Smoothing.NONE)


NO_FEATURES = FeatureOptions()
FeaturesLike: TypeAlias = str | Iterable[str] | FeatureOptions
"""Names of features, as a string with commas or one after another, or options."""
