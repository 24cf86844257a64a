"""The paper's network: its six parts, one pass, and what a frame is made of.

It has the face of red.models.edge.network.RedNetwork, so that exporting and validation take either.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from red.models.paper.blocks import kaiming
from red.models.paper.decoder import Decoder
from red.models.paper.encoder import Encoder
from red.models.paper.identity import IdentityClassifier
from red.models.paper.preset import PaperPreset
from red.models.paper.regression import Regression
from red.models.paper.spatial import SpatialRecurrence
from red.models.paper.temporal import TemporalRecurrence
from red.models.results import PassResult
from red_align.schemes import SCHEMES


class PaperNetwork(nn.Module):
    """f_ENC, f_DENC, f_REG, f_sRNN, f_tRNN and f_CLS at the paper's sizes (Peng et al., ECCV 2016).

    In a PassResult ``points`` are f_REG's, ``centres`` those that f_sRNN draws for the next pass, and ``maps``
    the logits [N, L+1, 128, 128]; ``measured`` are the points themselves, since nothing is weighed afterwards.
    """

    mean: Tensor

    def __init__(self, preset: PaperPreset) -> None:
        super().__init__()
        self.preset = preset
        self.scheme = SCHEMES[preset.scheme]
        mean = torch.tensor(self.scheme.mean_shape).float()
        self.register_buffer("mean", mean, persistent=False)
        self.f_enc = Encoder(preset)
        self.f_denc = Decoder(preset, len(mean))
        self.f_reg = Regression(preset, mean)
        self.f_srnn = SpatialRecurrence(len(mean))
        self.f_trnn = TemporalRecurrence(preset)
        self.f_cls = IdentityClassifier(preset)
        self.apply(kaiming)

    def one_pass(self, image: Tensor, prior: Tensor, square_px: Tensor, memory: Tensor) -> PassResult:
        """One pass from image [N, 3, 128, 128] in 0..1, prior [N, L, 2], sides [N, 1] and memory [N, S]."""
        encoded = self.f_enc(image, self.f_srnn.draw(prior, square_px))
        code_pe = encoded.code_pe
        if self.preset.temporal:
            code_pe, memory = self.f_trnn(code_pe, memory)
        maps = self.f_denc(encoded.code_id, code_pe, encoded.positions)
        points, confidence = self.f_reg(maps, encoded)
        return PassResult(
            points=points,
            centres=self.f_srnn.centres(maps, points),
            confidence=confidence,
            maps=maps,
            memory=memory,
            code_id=encoded.code_id,
            measured=points,
        )

    def acquire(self, image: Tensor, prior: Tensor, memory: Tensor) -> list[PassResult]:
        """All passes of a first frame, with the same weights; each draws the centres of the one before.

        Time advances once a frame, so every pass starts from the same memory.
        """
        results: list[PassResult] = []
        for size in self.preset.square_px:
            results.append(self.one_pass(image, prior, self.sizes(prior, size), memory))
            prior = results[-1].centres
        return results

    def track(self, image: Tensor, prior: Tensor, memory: Tensor) -> PassResult:
        """One pass from the last frame's points, drawn at the smallest size."""
        return self.one_pass(image, prior, self.sizes(prior, self.preset.square_px[-1]), memory)

    def sizes(self, prior: Tensor, size: float) -> Tensor:
        """The side of the squares [N, 1] for every face of a batch."""
        return torch.full_like(prior[:, 0, :1], size)

    def fresh_memory(self, batch: int) -> Tensor:
        """Memory of new sequences: zeros [N, S]."""
        return torch.zeros(batch, self.preset.memory, device=self.mean.device)

    def mean_prior(self, batch: int) -> Tensor:
        """The mean shape as prior [N, L, 2]."""
        return self.mean.unsqueeze(0).expand(batch, -1, -1)
