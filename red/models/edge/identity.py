"""f_CLS: who it is, from the identity half of the code; used in training only."""

from __future__ import annotations

from torch import Tensor, nn

from red.models.presets import Preset


class IdentityClassifier(nn.Module):
    """f_CLS (paper 3.5): C_id to identity classes, so that identity is drawn out of C_pe."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.3), nn.Linear(preset.code // 2 * 16, max(preset.identities, 1))
        )

    def forward(self, code_id: Tensor) -> Tensor:
        """C_id [N, code/2, 4, 4] to logits [N, identities]."""
        logits: Tensor = self.layers(code_id)
        return logits
