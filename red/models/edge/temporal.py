"""f_tRNN: an LSTM over time on the pose/expression half of the code; identity does not change in a video."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from red.models.presets import Preset


class TemporalRecurrence(nn.Module):
    """f_tRNN (paper 3.4): C_pe -> LSTM -> correction of C_pe, one step a frame.

    The LSTM works on a projection of C_pe and its answer is added to C_pe (ours; the paper replaces it): a
    new network is then a still one, and the LSTM learns what time adds. One cell written out, so that its
    memory is one packed tensor (h, c) and exports without a Loop.
    """

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.hidden = preset.lstm
        features = preset.code // 2 * 16
        self.squeeze = nn.Linear(features, preset.lstm)
        self.gates = nn.Linear(2 * preset.lstm, 4 * preset.lstm)
        self.expand = nn.Linear(preset.lstm, features)
        nn.init.zeros_(self.expand.weight)
        nn.init.zeros_(self.expand.bias)
        with torch.no_grad():
            self.gates.bias[preset.lstm : 2 * preset.lstm] += 1.0  # forget gate open at first

    def forward(self, code_pe: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """C_pe [N, code/2, 4, 4] and memory (h, c) [N, 2 * lstm] to the corrected C_pe and the new memory."""
        h, c = memory[:, : self.hidden], memory[:, self.hidden :]
        x = torch.tanh(self.squeeze(code_pe.flatten(1)))
        i, f, g, o = torch.split(self.gates(torch.cat([x, h], dim=1)), self.hidden, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return code_pe + self.expand(h).reshape(code_pe.shape), torch.cat([h, c], dim=1)
