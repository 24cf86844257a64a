"""How far labels lie beside the place that mirror symmetry gives: ``python -m red.training.label_offset RUN FOLDER``.

RUN is a checkpoint that was trained on mirrored pairs, FOLDER holds labelled faces (training ones, never those of
validation). A face's points are found in its crop and in the mirrored crop; their mean cannot lean to a side, so
the mean difference of the labels from it in x is the labels' own. In y there is no such symmetry: there the
difference is that from the network's convention. Constants in red.data.labels were found by this.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from red.data.augment import mirrored
from red.models.edge.network import RedNetwork
from red.training.checkpoint import load_network
from red.training.validate import to_image
from red_align.contract import CROP_SIZE
from red_align.crop import crop_face
from red_align.datasets.labelled_faces import LabelledFace, read_faces
from red_align.schemes import IBUG68
from red_align.tracking.rules import region_from_landmarks

Array = NDArray[np.float64]


def label_offsets(network: RedNetwork, faces: list[LabelledFace]) -> tuple[Array, Array]:
    """Labels minus mirror-symmetric points, means over the face in pixels of the picture [N, 2]; eye distances [N]."""
    regions = [region_from_landmarks(face.points, IBUG68) for face in faces]
    crops = np.stack([crop_face(face.image, region) for face, region in zip(faces, regions, strict=True)])
    seen = find(network, crops)
    swapped = find(network, np.ascontiguousarray(crops[:, :, ::-1]))
    offsets = []
    for face, region, one, other in zip(faces, regions, seen, swapped, strict=True):
        between = (one + mirrored(other)) / 2.0
        offsets.append((face.points - region.to_frame(CROP_SIZE).apply(between)).mean(0))
    return np.array(offsets), np.array([IBUG68.eye_distance(face.points) for face in faces])


@torch.no_grad()
def find(network: RedNetwork, crops: NDArray[np.uint8], batch: int = 64) -> Array:
    """Points [N, 68, 2] of crops [N, 128, 128, 3] after all passes."""
    found = []
    for at in range(0, len(crops), batch):
        image = to_image(torch.from_numpy(crops[at : at + batch]))
        n = len(image)
        found.append(network.acquire(image, network.mean_prior(n), network.fresh_memory(n))[-1].points)
    return np.asarray(torch.cat(found).double().numpy())


def fit(values: Array, eyes: Array) -> tuple[float, float]:
    """Constant and share of the eye distance with the least absolute error (some labels are far off)."""
    columns = np.stack([np.ones_like(eyes), eyes], axis=1)
    weight = np.ones_like(eyes)
    for _ in range(30):
        found = np.linalg.lstsq(columns * weight[:, None], values * weight, rcond=None)[0]
        weight = 1.0 / np.sqrt(np.maximum(np.abs(values - columns @ found), 0.05))
    return float(found[0]), float(found[1])


def main() -> None:
    """Print both fits."""
    network = load_network(Path(sys.argv[1]))
    if not isinstance(network, RedNetwork):
        raise SystemExit("only networks of the edge kind")
    offsets, eyes = label_offsets(network, read_faces(Path(sys.argv[2])))
    for axis, name in enumerate("xy"):
        constant, share = fit(offsets[:, axis], eyes)
        mean, median = offsets[:, axis].mean(), np.median(offsets[:, axis])
        print(f"{name}: mean {mean:.2f} px, median {median:.2f} px; fit {constant:.2f} px + {share:.4f} of the eyes")


if __name__ == "__main__":
    main()
