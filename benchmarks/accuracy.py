"""How accurate is the exported model? ``python benchmarks/accuracy.py MODEL_DIR DATA`` (DATA: images with .pts)

Protocol: box from the truth with shift N(0, 4 %), scale +-8 %, rotation +-10 degrees, seed 0, 5 draws; NME is
the mean point error over the distance of the outer eye corners. Two rows: the roll of the head taken from the
truth, as the service takes it from the last points, and not known at all (a plain axis-aligned box).
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np

from landmarks.schemes import IBUG68
from red.faces import read_faces
from red.validate import draw
from service.onnx_engine import OnnxEngine


async def errors(engine: OnnxEngine, faces: list, upright: bool) -> np.ndarray:
    """NME in percent: of ``red_acquire`` and of a step of ``red`` that starts from its points; [2, N]."""
    data = draw(faces, upright=upright)
    scheme = engine.info.scheme
    prior = scheme.mean_shape.astype(np.float32)
    rows = []
    for number, (crop, points) in enumerate(zip(data.crops, data.points, strict=True)):
        truth = points[list(scheme.of_ibug68)]
        found = await engine.acquire(crop, prior)
        step = await engine.step(str(number), crop, found.points, start=True, resume=found.memory)
        await engine.end(str(number))
        eyes = IBUG68.eye_distance(points)
        rows.append([100 * np.linalg.norm(r.points - truth, axis=1).mean() / eyes for r in (found, step)])
    return np.array(rows).T


async def main() -> None:
    """Print the table."""
    engine = OnnxEngine(Path(sys.argv[1]))
    faces = read_faces(Path(sys.argv[2]))
    print(f"{len(faces)} faces, 5 draws, model {engine.info.preset} of run {engine.info.training_run}")
    print(f"{'box':<14}{'graph':<14}{'mean %':>8}{'median %':>10}{'over 8 %':>10}")
    for upright in (True, False):
        table = await errors(engine, faces, upright)
        for name, row in zip(("red_acquire", "then red"), table, strict=True):
            over = f"{(row > 8).mean() * len(faces):.1f}/{len(faces)}"
            box = "roll known" if upright else "axis-aligned"
            print(f"{box:<14}{name:<14}{row.mean():>8.2f}{np.median(row):>10.2f}{over:>10}")
    await engine.close()


if __name__ == "__main__":
    asyncio.run(main())
