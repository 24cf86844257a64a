"""Checkpoints of the paper's training: red.training.checkpoint.load_network reads them as well."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from red.models.paper.network import PaperNetwork
from red.models.paper.preset import PaperPreset
from red.models.presets import preset_from_dict

NAME = "checkpoint.pt"


@dataclass
class Progress:
    """How far a run is: the number of its stage, the steps done in it, and the steps done in all."""

    stage: int = 0
    stage_step: int = 0
    step: int = 0


def save(folder: Path, network: PaperNetwork, optimiser: torch.optim.Optimizer, progress: Progress) -> None:
    """Write the folder's checkpoint; a run that is cut off leaves the last one whole."""
    weights = network.state_dict()
    values = {
        "preset": network.preset.as_dict(),
        "step": progress.step,
        "stage": progress.stage,
        "stage_step": progress.stage_step,
        "network": weights,
        "average": weights,  # What load_network runs: here the last weights, which the file holds once.
        "optimiser": optimiser.state_dict(),
    }
    new = folder / (NAME + ".new")
    torch.save(values, new)
    new.replace(folder / NAME)


def load(folder: Path, network: PaperNetwork) -> tuple[Progress, dict[str, object] | None]:
    """Load the folder's checkpoint, where there is one: how far it is, and the state of its optimiser."""
    path = folder / NAME
    if not path.exists():
        return Progress(), None
    values = torch.load(path, map_location="cpu", weights_only=True)
    saved = preset_from_dict(values["preset"])
    here = replace(network.preset, temporal=saved.temporal) if isinstance(saved, PaperPreset) else network.preset
    if saved != here:
        raise ValueError(f"{path} is of another run: {saved}, here {network.preset}")
    network.load_state_dict(values["network"])
    return Progress(values["stage"], values["stage_step"], values["step"]), values["optimiser"]
