"""The sizes of the paper's network."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from red_align.contract import MAX_MEMORY

CONVOLUTIONS = (2, 2, 3, 3, 3)
"""Convolutions of VGG-16 between two poolings."""


@dataclass(frozen=True)
class PaperPreset:
    """Sizes of the network; attributes that red.models.presets.Preset has as well mean the same.

    ``widths`` are the channels of VGG-16's five stages (the paper's; smaller ones make a network for tests).
    ``reg`` and ``reg_hidden`` are the channels of f_REG's five convolutions and its hidden layer, ``lstm`` the
    size of h and of c: all ours, the last one as large as the contract's memory allows. ``batch_norm`` False
    leaves batch norm out (an ablation). ``temporal`` False lets C_pe pass f_tRNN unchanged: so it is in the
    stages of training before the temporal one.
    """

    name: str = "paper"
    scheme: str = "ibug68"
    widths: tuple[int, int, int, int, int] = (64, 128, 256, 512, 512)
    reg: tuple[int, int, int, int, int] = (32, 64, 128, 256, 256)
    reg_hidden: int = 512
    lstm: int = 512
    square_px: tuple[float, ...] = (7.0, 5.0, 3.0)
    identities: int = 0
    batch_norm: bool = True
    temporal: bool = True

    def __post_init__(self) -> None:
        if self.memory > MAX_MEMORY:
            raise ValueError(f"memory of {self.memory} floats exceeds the contract's {MAX_MEMORY}")
        if self.widths[-1] % 2:
            raise ValueError(f"a code of {self.widths[-1]} channels has no two halves")

    @property
    def code(self) -> int:
        """Channels of the bottleneck; C_id and C_pe have half of them each."""
        return self.widths[-1]

    @property
    def memory(self) -> int:
        """S: LSTM h and c in one vector."""
        return 2 * self.lstm

    def as_dict(self) -> dict[str, object]:
        """Plain values, for checkpoints and metadata."""
        return asdict(self)


PAPER = PaperPreset()
