"""What a tracker may be asked for, and what it lets others count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from red_align.features.options import FeatureOptions, FeaturesLike
from red_align.schemes import PointScheme

if TYPE_CHECKING:
    from red_align.tracking.feature_stage import FeatureStage

FULL_ENGINE_FRAMES = 50
"""Frames without a search for further faces after the engine had no slot for one."""
USUAL_STEP_S = 0.04
"""Time between two frames where the caller names none."""
Observer = Callable[[str, float], None]
"""Takes what is counted and timed, in the thread of ``track``: ``track_begun``, ``track_lost``, ``track_redetected``,
``face_refused`` (each 1), ``step_s`` and ``detect_s`` (seconds)."""


@dataclass(frozen=True, slots=True)
class TrackingOptions:
    """How faces are followed.

    Attributes:
        detect_every: Frames between two searches while faces are followed, with room for more.
        search_every: Frames between two searches while no face is followed.
        search_turned_every: Frames between two searches of the frame turned, by 90 degrees to one side, to the other,
            and by 180 in turn, while no face is found; 0 for never. The first frame is searched in all turns.
        track_lost_threshold: A face is lost when its score falls below this, 0 to 1.
        track_activation_threshold: A new face is kept when its first score reaches this, 0 to 1.

    Example:
        >>> import red_align
        >>> options = red_align.TrackingOptions(track_lost_threshold=0.3)
        >>> red_align.align("clip.mp4", options=options).scores.min() > 0.3
        np.True_
    """

    detect_every: int = 5
    search_every: int = 2
    track_lost_threshold: float = 0.2
    track_activation_threshold: float = 0.25
    search_turned_every: int = 10


def feature_stage(features: FeaturesLike, scheme: PointScheme, *, live: bool = False) -> FeatureStage | None:
    """What adds features to results; its modules are loaded only where something is wanted.

    Args:
        features: What is wanted.
        scheme: Of the model.
        live: Whether there are no frames to look ahead at.

    Returns:
        The step; None where nothing is wanted.

    Raises:
        InvalidRequest: A name is unknown, or the model or a live stream cannot have what is wanted.
    """
    options = FeatureOptions.of(features)
    if not options.any:
        return None
    from red_align.tracking.feature_stage import FeatureStage

    return FeatureStage(options, scheme, live=live)
