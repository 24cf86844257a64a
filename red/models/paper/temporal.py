"""f_tRNN: an LSTM over time on the pose and expression half of the code; C_id does not pass through it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from red.models.paper.preset import PaperPreset


class TemporalRecurrence(nn.Module):
    """f_tRNN (paper, section 3): C_pe goes into an LSTM, one step a frame, and its answer takes C_pe's place.

    Ours: the size of the LSTM, and the linear layer with ReLU that makes a code of its answer (C_pe, too, is
    behind a ReLU). One cell written out, so that its memory is one packed tensor (h, c) and exports without a
    Loop.
    """

    def __init__(self, preset: PaperPreset) -> None:
        super().__init__()
        self.size = preset.lstm
        features = preset.code // 2 * 4 * 4
        self.gates = nn.Linear(features + preset.lstm, 4 * preset.lstm)
        self.expand = nn.Sequential(nn.Linear(preset.lstm, features), nn.ReLU())
        with torch.no_grad():
            self.gates.bias[preset.lstm : 2 * preset.lstm] += 1.0  # forget gate open at first

    def forward(self, code_pe: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """C_pe [N, 256, 4, 4] and memory [N, S] to the code that replaces C_pe and the new memory."""
        h, c = memory[:, : self.size], memory[:, self.size :]
        gates = self.gates(torch.cat([code_pe.flatten(1), h.to(code_pe.dtype)], dim=1))
        i, f, g, o = torch.split(gates, self.size, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return self.expand(h).reshape(code_pe.shape), torch.cat([h, c], dim=1)
