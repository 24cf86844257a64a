"""Single pictures: the protocol's crops through the engine, and whole pictures through ``POST /align``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import cv2
import httpx
import numpy as np

from evaluation.metrics import Array, point_errors
from red_align.datasets.labelled_faces import IMAGE_SUFFIXES, LabelledFace
from red_align.datasets.protocol import draw
from red_align.engine.base import Engine, StepRequest
from service.api.rest.app import create_app
from service.dataplane import DataPlane


@dataclass(frozen=True)
class EvaluationResult:
    """Faces that were evaluated, one row a crop or picture.

    ``errors`` [N, L] are point errors over the eye distance, infinite where the face was missed;
    ``confidence`` [N, L]; ``points`` and ``truth`` [N, L, 2] in the pixels of the crop or picture; ``face`` [N]
    numbers the faces.
    """

    errors: Array
    confidence: Array
    points: Array
    truth: Array
    face: list[int]

    @property
    def nme(self) -> Array:
        """Mean error of each face, [N]."""
        return np.asarray(self.errors.mean(1))


def evaluate_crops(engine: Engine, faces: Sequence[LabelledFace], *, upright: bool, draws: int = 5) -> EvaluationResult:
    """Every draw of red_align.datasets.protocol through ``red_acquire``.

    Args:
        engine: Runs the network.
        faces: The pictures.
        upright: Whether the crops are turned by the face's roll.
        draws: Draws of the box error a face.

    Returns:
        One row a draw and face, in pixels of the crop.
    """
    data = draw(faces, upright=upright, draws=draws)
    scheme = engine.info.scheme
    prior = scheme.mean_shape.astype(np.float32)
    truth = data.points[:, list(scheme.of_ibug68)]
    errors, confidence, points = [], [], []
    for crop, at in zip(data.crops, truth, strict=True):
        found = engine.submit(StepRequest(crop, prior)).result()
        errors.append(point_errors(found.points.astype(np.float64), at, scheme))
        confidence.append(found.confidence)
        points.append(found.points)
    return EvaluationResult(
        np.array(errors), np.array(confidence), np.array(points), truth, list(range(len(faces))) * draws
    )


async def evaluate_pictures(dataplane: DataPlane, faces: Sequence[LabelledFace]) -> EvaluationResult:
    """Every picture as a client sends it: ``POST /align``, the service's own detector, one face.

    Args:
        dataplane: A started one.
        faces: The pictures.

    Returns:
        One row a picture, in its pixels.
    """
    scheme = dataplane.engine.info.scheme
    truth = np.array([face.points[list(scheme.of_ibug68)] for face in faces])
    errors, confidence, points = [], [], []
    async with _client(dataplane) as client:
        for face, known in zip(faces, truth, strict=True):
            answer = await client.post("/align", content=_bytes(face), headers={"content-type": "image/jpeg"})
            answer.raise_for_status()
            found = answer.json()["frames"][0]["faces"]
            at = np.array(found[0]["landmarks"]).reshape(-1, 2) if found else np.full((scheme.num_points, 2), np.nan)
            error = point_errors(at, known, scheme)
            errors.append(np.where(np.isfinite(error), error, np.inf))
            confidence.append(found[0]["confidence"] if found else np.zeros(scheme.num_points))
            points.append(at)
    return EvaluationResult(np.array(errors), np.array(confidence), np.array(points), truth, list(range(len(faces))))


@asynccontextmanager
async def _client(dataplane: DataPlane) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(dataplane))
    async with httpx.AsyncClient(transport=transport, base_url="http://red-align") as client:
        yield client


def _bytes(face: LabelledFace) -> bytes:
    if face.path.suffix.lower() in IMAGE_SUFFIXES:
        return face.path.read_bytes()
    _, data = cv2.imencode(".png", cv2.cvtColor(face.image, cv2.COLOR_RGB2BGR))  # a frame of a video
    return data.tobytes()
