"""Presets: the sizes of a RED network."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from red.models.paper.preset import PAPER, PaperPreset
from red_align.contract import MAX_MEMORY
from red_align.schemes import SCHEMES


@dataclass(frozen=True)
class Preset:
    """Sizes of the network. Widths are channels; maps of the recurrent part are 32x32 for a 128x128 crop.

    ``square_px`` are the paper's label sizes of the three passes in crop pixels (7, 5, 3); a tracked step
    draws its prior at the last of them. ``depth`` residual blocks follow the stem and each stage from 16x16 down.
    """

    name: str = "edge"
    scheme: str = "ibug68"
    stem: tuple[int, int] = (16, 16)
    label_width: int = 8
    enc32: int = 16
    enc16: int = 48
    enc8: int = 96
    code: int = 128
    dec8: int = 48
    dec16: int = 32
    dec32: int = 16
    reg: tuple[int, int, int] = (16, 48, 48)
    reg_hidden: int = 256
    lstm: int = 128
    depth: int = 0
    square_px: tuple[float, ...] = (7.0, 5.0, 3.0)
    identities: int = 0
    batch_norm: bool = True

    def __post_init__(self) -> None:
        if self.memory > MAX_MEMORY:
            raise ValueError(f"memory of {self.memory} floats exceeds the contract's {MAX_MEMORY}")

    @property
    def memory(self) -> int:
        """S: LSTM h and c, and the motion of every point, in one vector."""
        return 2 * self.lstm + 2 * SCHEMES[self.scheme].num_points

    def as_dict(self) -> dict[str, object]:
        """Plain values, for checkpoints and metadata."""
        return asdict(self)


EDGE = Preset()
BASE = Preset(
    name="base",
    stem=(24, 48),
    label_width=16,
    enc32=48,
    enc16=96,
    enc8=160,
    code=192,
    dec8=96,
    dec16=64,
    dec32=48,
    reg=(64, 96, 96),
    reg_hidden=256,
    lstm=192,
    depth=1,
)
"""Accuracy before speed: what teaches ``edge``, and for hosts that have the time. Its weights in float16 stay under
10 MB, so that they can be kept in a repository and in a wheel."""
PRESETS = {preset.name: preset for preset in (EDGE, BASE)}
"""What red.training.train trains; ``paper`` has a training of its own, red.training.paper.train."""
ALL_PRESETS: dict[str, Preset | PaperPreset] = {**PRESETS, PAPER.name: PAPER}


def preset_from_dict(values: dict[str, object]) -> Preset | PaperPreset:
    """The inverse of as_dict (lists become tuples); the name tells the kind of network."""
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    name = str(fields["name"])
    if name not in ALL_PRESETS:
        raise ValueError(f"no preset is named {name!r}, only {', '.join(sorted(ALL_PRESETS))}")
    return type(ALL_PRESETS[name])(**fields)  # type: ignore[arg-type]
