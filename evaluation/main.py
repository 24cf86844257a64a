"""``make eval DATA=<folder> [MODEL=<onnx>]``: everything that the folder allows to measure, and two pictures.

Below DATA: pictures with ``.pts`` (300-W) are evaluated by the protocol, through ``POST /align``, in motion and for
loss and return; videos are followed, with errors where they have labels (300-VW: vid.avi, annot/000001.pts).
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from evaluation import report
from evaluation.confidence import evaluate_confidence
from evaluation.motion import evaluate_motion
from evaluation.stills import EvaluationResult, evaluate_crops, evaluate_pictures
from evaluation.tracks import evaluate_tracks
from evaluation.videos import evaluate_clip, find_clips
from red_align.datasets.labelled_faces import LabelledFace, picture_faces
from red_align.engine.base import Engine
from red_align.schemes import PointScheme
from red_align.tracking.detector import Detector
from red_align.tracking.options import TrackingOptions
from service import lifecycle
from service.config.settings import MODEL_FOLDER, Settings
from service.factory import make_dataplane

SPEEDS = (0.01, 0.02, 0.03, 0.05)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with labelled pictures, 300-VW videos, plain clips, or all")
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER, help="folder of red.onnx, or that file")
    parser.add_argument("--out", type=Path, default=Path("out/eval"), help="folder for the pictures")
    parser.add_argument("--draws", type=int, default=5, help="draws of the box error a picture")
    parser.add_argument("--limit", type=int, default=None, help="pictures read, for a quick try")
    parser.add_argument("--in-motion", type=int, default=97, help="pictures that are put in motion and into clips")
    parser.add_argument("--offset", action="store_true", help="also with the mean offset of each point taken out")
    return parser.parse_args(argv)


class Evaluation:
    """One model, through the service's default settings."""

    def __init__(self, args: argparse.Namespace) -> None:
        cv2.setNumThreads(1)
        self.args = args
        folder = args.model.parent if args.model.is_file() else args.model
        self.settings = Settings(model_dir=folder)
        self.dataplane = make_dataplane(self.settings)

    @property
    def engine(self) -> Engine:
        """The service's."""
        return self.dataplane.engine

    @property
    def detector(self) -> Detector:
        """The service's."""
        return self.dataplane.detector

    @property
    def options(self) -> TrackingOptions:
        """The service's."""
        return self.dataplane.tracking

    async def run(self) -> None:
        """Evaluate what there is."""
        info = self.engine.info
        print(f"model {info.preset} of run {info.training_run}, {info.scheme.name}; data {self.args.data.name}")
        self.args.out.mkdir(parents=True, exist_ok=True)
        await lifecycle.start(self.dataplane)
        faces = picture_faces(self.args.data, limit=self.args.limit)
        clips = list(find_clips(self.args.data))
        if not faces and not clips:
            raise SystemExit(f"{self.args.data}: no labelled picture and no video")
        if faces:
            await self.pictures(faces)
        if clips:
            figures = [evaluate_clip(self.engine, self.detector, self.options, path) for path in clips]
            _say(report.clip_lines(figures))
        await lifecycle.close(self.dataplane)

    async def pictures(self, faces: list[LabelledFace]) -> None:
        """All that labelled pictures allow."""
        scheme = self.engine.info.scheme
        print(f"{len(faces)} pictures, {self.args.draws} draws of the box error\n")
        print(f"{'':<34}{'NME %':>7}{'median':>8}{'over 8 %':>9}{'AUC 8 %':>8}")
        known = evaluate_crops(self.engine, faces, upright=True, draws=self.args.draws)
        axis = evaluate_crops(self.engine, faces, upright=False, draws=self.args.draws)
        sent = await evaluate_pictures(self.dataplane, faces)
        rows = {"box of the truth, roll known": known, "box of the truth, axis-aligned": axis, "POST /align": sent}
        for name, result in rows.items():
            _say(report.still_lines(name, result, scheme), gap=False)
        if self.args.offset:
            _say(report.still_lines("roll known, offsets taken out", without_offset(known, scheme), scheme), gap=False)
        _say(report.confidence_lines(evaluate_confidence(self.engine, faces, known)))
        some = faces[: self.args.in_motion]
        motion = [evaluate_motion(self.engine, self.detector, self.options, some, speed) for speed in SPEEDS]
        _say(report.motion_lines(motion))
        _say(report.track_lines(evaluate_tracks(self.engine, self.detector, self.options, some)))
        report.draw_curves({name: result.nme for name, result in rows.items()}, self.args.out / "errors.png")
        report.draw_worst(faces, sent, scheme, self.args.out / "worst.png")
        print(f"wrote {self.args.out / 'errors.png'} and {self.args.out / 'worst.png'}\n")


def without_offset(result: EvaluationResult, scheme: PointScheme) -> EvaluationResult:
    """Errors after the mean offset of each point, in eye distances, is taken out.

    For trackers whose points lie by another convention than the labels; crops are upright, so an offset means
    the same in each.

    Args:
        result: Of upright crops.
        scheme: What the points are.

    Returns:
        The result with other errors.
    """
    truth = result.truth
    eyes = np.array([scheme.eye_distance(t) for t in truth])[:, None, None]
    error = (result.points - truth) / eyes
    return replace(result, errors=np.linalg.norm(error - error.mean(0), axis=2))


def _say(lines: Sequence[str], *, gap: bool = True) -> None:
    print("\n".join(lines) + ("\n" if gap else ""), flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    asyncio.run(Evaluation(arguments(argv)).run())


if __name__ == "__main__":
    main()
