"""What the service says of itself, for REST and gRPC alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from red_align import __version__
from red_align.features.options import FEATURES, Smoothing
from red_align.features.subsets import SUBSETS
from red_align.features.values import COEFFICIENTS
from red_align.tracking.lost import REACQUIRE_S
from service.dataplane import DataPlane


def info_values(dataplane: DataPlane) -> dict[str, Any]:
    """Versions, model, scheme, mean shape (pixels of the crop), limits, and how faces are tracked."""
    model, settings = dataplane.engine.info, dataplane.settings
    return {
        "version": __version__,
        "contract_version": model.contract_version,
        "model": {
            "preset": model.preset,
            "training_run": model.training_run,
            "engine": model.engine,
            "precision": model.precision,
            "providers": list(model.providers),
        },
        "scheme": model.scheme.name,
        "num_points": model.scheme.num_points,
        "mean_shape": np.round(model.scheme.mean_shape.reshape(-1), 3).tolist(),
        "contours": [
            {"name": each.name, "points": list(each.points), "closed": each.closed} for each in model.scheme.contours
        ],
        "limits": {
            "max_faces": settings.max_faces,
            "max_upload_bytes": settings.max_upload_bytes,
            "max_frame_pixels": settings.max_frame_pixels,
            "max_message_bytes": settings.max_message_bytes,
            "max_parallel": settings.max_parallel,
        },
        "tracking": {
            "detect_every": settings.detect_every,
            "search_every": settings.search_every,
            "search_turned_every": settings.search_turned_every,
            "reacquire_s": REACQUIRE_S,
        },
        "features": {
            "names": list(FEATURES),
            "points": [*SUBSETS, model.scheme.num_points],
            "smooth": [str(kind) for kind in Smoothing],
            "coefficients": list(COEFFICIENTS),
        },
    }
