"""Presets: the sizes of a RED network."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from landmarks.contract import MAX_MEMORY


@dataclass(frozen=True)
class Preset:
    """Sizes of the network. Widths are channels; maps of the recurrent part are 32x32 for a 128x128 crop.

    ``square_px`` are the paper's label sizes of the three passes in crop pixels (7, 5, 3); a tracked step
    draws its prior at the last of them.
    """

    name: str = "edge"
    scheme: str = "ibug68"
    stem: tuple[int, int] = (24, 48)
    label_width: int = 16
    enc32: int = 48
    enc16: int = 80
    enc8: int = 128
    code: int = 128
    dec8: int = 80
    dec16: int = 48
    dec32: int = 40
    reg: tuple[int, int, int] = (32, 64, 64)
    reg_hidden: int = 256
    lstm: int = 128
    square_px: tuple[float, ...] = (7.0, 5.0, 3.0)
    identities: int = 0

    def __post_init__(self) -> None:
        if self.memory > MAX_MEMORY:
            raise ValueError(f"memory of {self.memory} floats exceeds the contract's {MAX_MEMORY}")

    @property
    def memory(self) -> int:
        """S: LSTM h and c in one vector."""
        return 2 * self.lstm

    def as_dict(self) -> dict[str, object]:
        """Plain values, for checkpoints and metadata."""
        return asdict(self)


EDGE = Preset()
PRESETS = {EDGE.name: EDGE}


def preset_from_dict(values: dict[str, object]) -> Preset:
    """The inverse of Preset.as_dict (lists become tuples)."""
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return Preset(**fields)  # type: ignore[arg-type]
