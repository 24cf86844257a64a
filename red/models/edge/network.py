"""The RED network: six parts in the paper's order, one pass, and what a frame is made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from red.models.blocks import biases_for_batch_norm
from red.models.edge.decoder import Decoder
from red.models.edge.encoder import Encoder, Stem
from red.models.edge.identity import IdentityClassifier
from red.models.edge.regression import Regression
from red.models.edge.spatial import SpatialRecurrence
from red.models.edge.temporal import TemporalRecurrence
from red.models.presets import Preset
from red.models.results import PassResult
from red_align.schemes import SCHEMES


class RedNetwork(nn.Module):
    """f_ENC, f_DENC, f_REG, f_sRNN, f_tRNN and f_CLS (Peng et al., ECCV 2016)."""

    mean: Tensor

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.preset = preset
        self.scheme = SCHEMES[preset.scheme]
        mean = torch.tensor(self.scheme.mean_shape).float()
        self.register_buffer("mean", mean, persistent=False)
        self.stem = Stem(preset)
        self.f_enc = Encoder(preset)
        self.f_denc = Decoder(preset, len(mean))
        self.f_reg = Regression(preset, mean)
        self.f_srnn = SpatialRecurrence(preset, len(mean))
        self.f_trnn = TemporalRecurrence(preset)
        self.f_cls = IdentityClassifier(preset)
        if not preset.batch_norm:
            biases_for_batch_norm(self)

    def one_pass(self, stem: Tensor, prior: Tensor, square_px: Tensor, memory: Tensor) -> PassResult:
        """One pass from stem maps, prior points [N, L, 2], label sizes [1, 1] and memory [N, S].

        The prior is moved on by the motion in the memory.
        """
        lstm, motion = self._parts(memory)
        prior = prior + motion
        encoded = self.f_enc(stem, self.f_srnn(prior, square_px))
        code_pe, lstm = self.f_trnn(encoded.code_pe, lstm)
        maps = self.f_denc(encoded.code_id, code_pe, encoded.places)
        found = self.f_reg(maps, encoded, prior, motion, lstm[:, : self.preset.lstm])
        memory = torch.cat([lstm, found.motion.flatten(1)], dim=1)
        maps = maps[:, : len(self.mean) + 1]
        return PassResult(found.points, found.centres, found.confidence, maps, memory, encoded.code_id, found.measured)

    def acquire(self, image: Tensor, prior: Tensor, memory: Tensor) -> list[PassResult]:
        """All passes of a first frame: image [N, 3, 128, 128] in 0..1; each pass starts from the last one's points.

        Time advances once a frame, so every pass starts from the same memory. From a prior that is no last
        frame's points no motion follows: it is nought before and after.
        """
        stem, memory = self.stem(image), self.halted(memory)
        results: list[PassResult] = []
        for size in self.preset.square_px:
            result = self.one_pass(stem, prior, self.sizes(prior, size), memory)
            results.append(result._replace(memory=self.halted(result.memory)))
            prior = results[-1].points.detach() if self.training else results[-1].points
        return results

    def track(self, image: Tensor, prior: Tensor, memory: Tensor) -> PassResult:
        """One pass from the last frame's points, drawn at the smallest size."""
        size = self.preset.square_px[-1]
        return self.one_pass(self.stem(image), prior, self.sizes(prior, size), memory)

    def sizes(self, prior: Tensor, size: float) -> Tensor:
        """The label size [1, 1], the same for every face of a batch: a constant of a graph."""
        return torch.full((1, 1), size, dtype=prior.dtype, device=prior.device)

    def fresh_memory(self, batch: int) -> Tensor:
        """Memory of new sequences: zeros [N, S]."""
        return torch.zeros(batch, self.preset.memory)

    def halted(self, memory: Tensor) -> Tensor:
        """The memory [N, S] without its motion."""
        lstm, motion = self._parts(memory)
        return torch.cat([lstm, torch.zeros_like(motion.flatten(1))], dim=1)

    def _parts(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """The LSTM's part of a memory, and the motion [N, L, 2] in pixels of the crop."""
        size = 2 * self.preset.lstm
        return memory[:, :size], memory[:, size:].reshape(memory.shape[0], -1, 2)

    def mean_prior(self, batch: int) -> Tensor:
        """The mean shape as prior [N, L, 2]."""
        return self.mean.unsqueeze(0).expand(batch, -1, -1)
