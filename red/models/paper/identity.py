"""f_CLS: who it is, from the identity half of the code; used in training only."""

from __future__ import annotations

from torch import Tensor, nn

from red.models.paper.preset import PaperPreset

_HIDDEN = 512


class IdentityClassifier(nn.Module):
    """f_CLS (paper, section 3): C_id to identity classes. The hidden layer and the dropout are ours."""

    def __init__(self, preset: PaperPreset) -> None:
        super().__init__()
        features = preset.code // 2 * 4 * 4
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(features, _HIDDEN),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(_HIDDEN, max(preset.identities, 1)),
        )

    def forward(self, code_id: Tensor) -> Tensor:
        """C_id [N, 256, 4, 4] to logits [N, identities]."""
        logits: Tensor = self.layers(code_id)
        return logits
