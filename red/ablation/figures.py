"""Figures of one network with parts taken out; see red.ablation.compare."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from red.data.sequences import MovingFace, next_region
from red.models.edge.network import RedNetwork
from red.models.results import PassResult
from red.training.validate import to_image
from red_align.contract import CROP_SIZE
from red_align.crop import crop_face
from red_align.datasets.labelled_faces import LabelledFace
from red_align.datasets.protocol import Draws, auroc, protocol_region
from red_align.schemes import IBUG68
from red_align.tracking.rules import region_from_landmarks

Array = NDArray[np.float64]
Step = Callable[[Tensor, Tensor, Tensor], PassResult]


@torch.no_grad()
def still_figures(network: RedNetwork, data: Draws, batch: int = 64) -> dict[str, Array]:
    """NME [N] after each pass, and of the last pass' map centres and measured points."""
    ids = list(network.scheme.of_ibug68)
    rows: dict[str, list[Array]] = {}
    for at in range(0, len(data.crops), batch):
        image = to_image(torch.from_numpy(data.crops[at : at + batch]))
        truth = torch.from_numpy(data.points[at : at + batch][:, ids]).float()
        n = len(truth)
        results = network.acquire(image, network.mean_prior(n), network.fresh_memory(n))
        found = {f"pass {i + 1}": r.points for i, r in enumerate(results)}
        found["last pass, regression without the prior"] = results[-1].measured
        found["last pass, the maps' own centres"] = results[-1].centres
        for name, points in found.items():
            rows.setdefault(name, []).append(_nme(points, truth, network).numpy())
    return {name: np.concatenate(values).astype(np.float64) for name, values in rows.items()}


def video_figures(network: RedNetwork, faces: list[LabelledFace], frames: int) -> dict[str, tuple[float, float]]:
    """NME and jitter of the error over made sequences, for ways to go from frame to frame.

    Jitter is the mean second difference of the error, so that the motion itself does not count.
    """
    mean = network.mean

    def anew(image: Tensor, prior: Tensor, memory: Tensor) -> PassResult:
        return network.acquire(image, mean.expand_as(prior), torch.zeros_like(memory))[-1]

    def one_pass(image: Tensor, prior: Tensor, memory: Tensor) -> PassResult:
        return network.acquire(image, mean.expand_as(prior), torch.zeros_like(memory))[0]

    def no_memory(image: Tensor, prior: Tensor, memory: Tensor) -> PassResult:
        size = 2 * network.preset.lstm
        return network.track(image, prior, torch.cat([torch.zeros_like(memory[:, :size]), memory[:, size:]], dim=1))

    def no_motion(image: Tensor, prior: Tensor, memory: Tensor) -> PassResult:
        return network.track(image, prior, network.halted(memory))

    def no_prior_share(image: Tensor, prior: Tensor, memory: Tensor) -> PassResult:
        result = network.track(image, prior, memory)
        return result._replace(points=result.measured)

    ways: dict[str, Step] = {
        "every frame anew, one pass": one_pass,
        "every frame anew, all passes": anew,
        "prior, without f_tRNN": no_memory,
        "prior and f_tRNN, without motion": no_motion,
        "prior and f_tRNN, prior drawn but not weighed": no_prior_share,
        "prior and f_tRNN (as served)": network.track,
    }
    return {name: _follow(network, step, faces, frames) for name, step in ways.items()}


@torch.no_grad()
def _follow(network: RedNetwork, step: Step, faces: list[LabelledFace], frames: int) -> tuple[float, float]:
    """Every way sees the same motion and noise; each follows its own points."""
    rng = np.random.default_rng(0)
    moving = [MovingFace.random(face, frames, np.random.default_rng(int(rng.integers(2**62)))) for face in faces]
    regions = [protocol_region(m.truth(0), True, rng) for m in moving]
    prior, memory = network.mean_prior(len(faces)), network.fresh_memory(len(faces))
    ids = list(network.scheme.of_ibug68)
    errors = []
    for t in range(frames):
        crops = np.stack([m.crop(t, r) for m, r in zip(moving, regions, strict=True)])
        image = to_image(torch.from_numpy(crops))
        result = network.acquire(image, prior, memory)[-1] if t == 0 else step(image, prior, memory)
        memory = result.memory
        back = [r.to_frame(CROP_SIZE) for r in regions]
        found = [b.apply(p) for b, p in zip(back, result.points.double().numpy(), strict=True)]
        truth = [m.truth(t) for m in moving]
        eyes = np.array([IBUG68.eye_distance(q) for q in truth])
        errors.append(np.stack([p - q[ids] for p, q in zip(found, truth, strict=True)]) / eyes[:, None, None])
        full = []
        for points, known in zip(found, truth, strict=True):
            whole = known.copy()
            whole[ids] = points
            full.append(whole)
        regions = [next_region(p) for p in full]
        inside = [r.to_crop(CROP_SIZE).apply(p) for r, p in zip(regions, found, strict=True)]
        prior = torch.from_numpy(np.stack(inside)).float()
    tracked = np.stack(errors[1:])  # [T, N, L, 2]
    bend = tracked[2:] - 2.0 * tracked[1:-1] + tracked[:-2]
    return float(np.linalg.norm(tracked, axis=-1).mean()), float(np.linalg.norm(bend, axis=-1).mean())


@torch.no_grad()
def identity_figures(network: RedNetwork, faces: list[LabelledFace]) -> dict[str, float]:
    """AUC of "same person" over all pairs of different videos, from C_id and from C_pe (before f_tRNN).

    If identity supervision splits the code, C_id tells people apart and C_pe does not (0.5).
    """
    crops = [crop_face(f.image, region_from_landmarks(f.points, IBUG68)) for f in faces]
    ids, poses = [], []
    for at in range(0, len(crops), 64):
        image = to_image(torch.from_numpy(np.stack(crops[at : at + 64])))
        n = len(image)
        size = torch.full((n, 1), network.preset.square_px[0])
        encoded = network.f_enc(network.stem(image), network.f_srnn(network.mean_prior(n), size))
        ids.append(encoded.code_id.flatten(1))
        poses.append(encoded.code_pe.flatten(1))
    person = np.array([f.person for f in faces])
    video = np.array([str(f.path.parent) for f in faces])
    pair = np.triu(video[:, None] != video[None], 1)
    same = (person[:, None] == person[None])[pair]
    found = {}
    for name, code in (("C_id", ids), ("C_pe", poses)):
        alike = _cosine(torch.cat(code))[pair]
        found[name] = auroc(alike[same], alike[~same])
    return found


def _cosine(code: Tensor) -> Array:
    code = code - code.mean(0)
    code = code / code.norm(dim=1, keepdim=True).clamp(min=1e-6)
    return np.asarray((code @ code.T).double().numpy())


def _nme(points: Tensor, truth: Tensor, network: RedNetwork) -> Tensor:
    a, b = network.scheme.outer_eyes
    errors: Tensor = (points - truth).norm(dim=-1).mean(-1) / (truth[:, a] - truth[:, b]).norm(dim=-1)
    return errors
