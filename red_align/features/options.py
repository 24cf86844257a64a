"""Which features are asked for, by their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from red_align.errors import InvalidRequest
from red_align.features.subsets import COUNTS
from red_align.names import unknown

POSE, EXPRESSION, ALIGNMENT, CROP = "pose", "expression", "alignment", "crop"
FEATURES = (POSE, EXPRESSION, ALIGNMENT, CROP)
"""Names of all features; ``crop`` is ``alignment`` with the aligned picture."""


@dataclass(frozen=True, slots=True)
class FeatureOptions:
    """What is computed of each face beside its points.

    Attributes:
        names: Of ``FEATURES``.
        points: How many points are given: 5, 7, 51 or all 68.
        focal_px: Focal length of the camera in pixels, for the pose; None: the longer side of the frame.

    Example:
        >>> import red_align
        >>> features = red_align.FeatureOptions.of("pose,expression")
        >>> clip = red_align.track("clip.mp4", features=features)
        >>> face = next(clip).faces[0]
        >>> abs(face.pose.yaw) < 45.0, 0.0 <= face.expression["jawOpen"] <= 1.0
        (True, True)
    """

    names: frozenset[str] = frozenset()
    points: int = 68
    focal_px: float | None = None

    @classmethod
    def of(cls, names: str | Iterable[str] = (), points: int = 68, focal_px: float | None = None) -> Self:
        """The options by the words that people choose them with.

        Args:
            names: Names of features, as a sequence or separated by commas.
            points: 5, 7, 51 or 68.
            focal_px: See FeatureOptions; 0 stands for None.

        Raises:
            InvalidRequest: A name or a number is none of those.
        """
        parts = names.split(",") if isinstance(names, str) else list(names)
        chosen = [part.strip() for part in parts if part.strip()]
        for name in chosen:
            if name not in FEATURES:
                raise InvalidRequest(unknown("feature", name, FEATURES))
        if points not in COUNTS:
            raise InvalidRequest(f"points is {points}, it can be {', '.join(map(str, COUNTS[:-1]))} or {COUNTS[-1]}")
        if focal_px is not None and not 0.0 <= focal_px < 1e6:
            raise InvalidRequest(f"focal_px is {focal_px}, it must be a length in pixels")
        return cls(frozenset(chosen), points, focal_px or None)

    def __bool__(self) -> bool:
        return bool(self.names) or self.points != COUNTS[-1]
