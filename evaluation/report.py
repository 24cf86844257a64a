"""Tables of the figures, the cumulative error plot and the sheet of the worst faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

from evaluation.confidence import ConfidenceFigures
from evaluation.metrics import FAILURE, Array, area_under_curve, region_points
from evaluation.motion import MotionFigures
from evaluation.stills import EvaluationResult
from evaluation.tracks import NEVER, TrackFigures
from evaluation.videos import ClipFigures
from red_align.datasets.labelled_faces import LabelledFace
from red_align.schemes import PointScheme

_TILE = 320


def still_lines(name: str, result: EvaluationResult, scheme: PointScheme) -> list[str]:
    """NME mean and median, failures, AUC, then the regions. Means are over found faces; a miss is a failure."""
    nme = result.nme
    found = np.isfinite(nme)
    missed = f", {int((~found).sum())} missed" if not found.all() else ""
    head = (
        f"{name:<34}{100 * nme[found].mean():>7.2f}{100 * np.median(nme):>8.2f}"
        f"{100 * (nme > FAILURE).mean():>9.1f}{area_under_curve(nme):>8.3f}{missed}"
    )
    parts = [f"{k} {100 * result.errors[found][:, ids].mean():.2f}" for k, ids in region_points(scheme).items()]
    return [head, "    " + ", ".join(parts)]


def confidence_lines(figures: ConfidenceFigures) -> list[str]:
    """Confidence against what is right, and faces against what is none."""
    return [
        f"    confidence: said {figures.said:.3f}, right {figures.right:.3f}, ECE {figures.calibration_error:.3f}; "
        f"AUROC against background {figures.auroc_background:.4f}, half-shifted {figures.auroc_half_shifted:.4f}"
    ]


def motion_lines(figures: Sequence[MotionFigures]) -> list[str]:
    """NME in motion, tracked against single frames."""
    lines = [f"{'pictures in motion, speed':<34}{'tracked':>8}{'single':>8}{'ratio':>7}{'lag':>7}{'lost':>6}"]
    lines += [
        f"  {100 * f.speed:.0f} % of the face a frame{'':<9}{100 * f.tracked:>8.2f}{100 * f.still:>8.2f}"
        f"{f.tracked / f.still:>7.3f}{f.lag:>7.2f}{f.lost:>6}"
        for f in figures
    ]
    return lines


def track_lines(figures: TrackFigures) -> list[str]:
    """The frame, from 1, in which a change was noticed: the mean and the latest, and in how many clips never."""
    lines = []
    for name, values in (("face gone, lost", figures.lost), ("back, found", figures.back), ("cut, new", figures.cut)):
        seen = [v for v in values if v != NEVER]
        if seen:
            never = len(values) - len(seen)
            lines.append(f"{name:<20}frame {np.mean(seen):.2f} on average, {max(seen)} at the latest, never: {never}")
    left = f"{figures.skipped} pictures left out (face not found at first), {figures.others} (another face in it)"
    return [*lines, f"{len(figures.lost)} clips; {left}"]


def clip_lines(clips: Sequence[ClipFigures]) -> list[str]:
    """Jitter and, where there are labels, errors."""
    lines = [
        f"{'clip':<26}{'frames':>7}{'none':>6}{'tracks':>7}{'jitter %':>9}{'single %':>9}{'less':>6}"
        f"{'lag':>7}{'own lag':>9}"
    ]
    for c in clips:
        lines.append(
            f"{c.name[-26:]:<26}{c.frames:>7}{c.without_face:>6}{c.tracks:>7}{100 * c.jitter:>9.2f}"
            f"{100 * c.still:>9.2f}{100 * (1 - c.jitter / c.still):>5.0f}%{c.lag:>7.2f}{c.own_lag:>9.2f}"
        )
        if len(c.errors):
            found = c.errors[np.isfinite(c.errors)]
            mean = 100 * found.mean() if len(found) else float("nan")
            lines.append(
                f"    NME {mean:.2f} % on {len(c.errors)} labelled frames, {len(c.errors) - len(found)} missed; "
                f"failures {100 * (c.errors > FAILURE).mean():.1f} %, AUC {area_under_curve(c.errors):.3f}; "
                f"the labels' own jitter {100 * c.truth:.2f} %"
            )
    return lines


def draw_curves(curves: dict[str, Array], out: Path) -> None:
    """Cumulative error distribution of each name's NME [N]."""
    figure, axes = plt.subplots(figsize=(7, 4.5))
    for name, errors in curves.items():
        at = np.sort(errors)
        label = f"{name} (AUC {area_under_curve(errors):.3f})"
        axes.step(100 * at, 100 * np.arange(1, len(at) + 1) / len(at), where="post", label=label)
    axes.set(
        xlim=(0, 100 * FAILURE * 1.25), ylim=(0, 100), xlabel="NME, % of the outer eye distance", ylabel="faces, %"
    )
    axes.axvline(100 * FAILURE, color="grey", linewidth=0.8)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    plt.close(figure)


def draw_worst(
    faces: Sequence[LabelledFace], result: EvaluationResult, scheme: PointScheme, out: Path, count: int = 12
) -> None:
    """The pictures with the largest errors, once each: labels green, found points red. Needs points in pictures."""
    order = np.argsort(-np.where(np.isfinite(result.nme), result.nme, 1e9))[:count]
    tiles = [_tile(faces[result.face[i]], result.points[i], result.nme[i], scheme) for i in order]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 4)
    rows = [np.hstack(tiles[i : i + 4]) for i in range(0, len(tiles), 4)]
    cv2.imwrite(str(out), np.vstack(rows))


def _tile(face: LabelledFace, points: Array, error: float, scheme: PointScheme) -> np.ndarray:
    height, width = face.image.shape[:2]
    scale = _TILE / max(height, width)
    tile = np.zeros((_TILE, _TILE, 3), np.uint8)
    small = cv2.resize(face.image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    tile[: small.shape[0], : small.shape[1]] = small[:, :, ::-1]
    for at, colour in ((face.points[list(scheme.of_ibug68)], (80, 220, 80)), (points, (60, 60, 255))):
        for x, y in (at + 0.5) * scale - 0.5:
            if np.isfinite(x + y):
                centre = (round(16 * float(x)), round(16 * float(y)))
                cv2.circle(tile, centre, 24, colour, -1, cv2.LINE_AA, shift=4)
    text = f"{100 * error:.1f} %" if np.isfinite(error) else "missed"
    cv2.putText(tile, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2, cv2.LINE_AA)
    cv2.putText(tile, face.path.name, (8, _TILE - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return tile
