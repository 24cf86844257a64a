"""Checkpoints: everything a run needs to go on, in one file that is replaced in one step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from red.models.build import build_network
from red.models.edge.network import RedNetwork
from red.models.presets import preset_from_dict

NAME = "checkpoint.pt"
CLASSIFIER = "f_cls."
"""Names of the weights that tell people apart, in training alone."""
MOST_BYTES = 10_000_000
"""Of a file in the repository."""
HELD = "held.pt"
"""The checkpoint from before the rate fell: copied over NAME, a longer run goes on from it."""


def save_checkpoint(
    path: Path,
    network: RedNetwork,
    average: RedNetwork,
    optimiser: torch.optim.Optimizer,
    step: int,
    arguments: dict[str, object],
    progress: Mapping[str, object] | None = None,
) -> None:
    """Write the checkpoint; a run that is cut off leaves the last one whole, and so does a machine.

    ``progress`` (plain values) and the state of torch's random numbers make the resumed run the same run.
    """
    values = {
        "preset": network.preset.as_dict(),
        "step": step,
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
        "random": torch.get_rng_state(),
        "progress": dict(progress or {}),
        "arguments": {k: v if isinstance(v, int | float | bool | None) else str(v) for k, v in arguments.items()},
    }
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        torch.save(values, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def load_checkpoint(
    folder: Path, network: RedNetwork, average: RedNetwork, optimiser: torch.optim.Optimizer
) -> tuple[int, dict[str, Any]]:
    """Load the folder's checkpoint into all three; gives its step and its progress (0 and nothing: there is none)."""
    path = folder / NAME
    if not path.exists():
        return 0, {}
    values = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(values["network"])
    average.load_state_dict(values["average"])
    optimiser.load_state_dict(values["optimiser"])
    if "random" in values:
        torch.set_rng_state(values["random"])
    return int(values["step"]), values.get("progress", {})


def save_weights(checkpoint: Path, out: Path) -> None:
    """Keep of a checkpoint what a later run begins from (``--init``): preset, step and averaged weights.

    Where they would take more than MOST_BYTES they are kept in half precision and without the identity classifier,
    which every run learns anew: points then move by less than a tenth of a pixel.
    """
    values = torch.load(checkpoint, map_location="cpu", weights_only=True)
    kept = {key: values[key] for key in ("preset", "step", "average")}
    if sum(value.nbytes for value in kept["average"].values()) > MOST_BYTES:
        average = {name: value for name, value in kept["average"].items() if not name.startswith(CLASSIFIER)}
        kept["average"] = {k: v.half() if v.is_floating_point() and v.ndim > 1 else v for k, v in average.items()}
    torch.save(kept, out)


def save_resumable(checkpoint: Path, out: Path) -> None:
    """A checkpoint in half the room, for a repository: all but the network's weights in bfloat16.

    Copied into a run's folder as ``checkpoint.pt`` the run goes on from it, though not to the last bit.
    """
    values = torch.load(checkpoint, map_location="cpu", weights_only=True)
    values["average"] = _halved(values["average"])
    values["optimiser"]["state"] = {k: _halved(v) for k, v in values["optimiser"]["state"].items()}
    torch.save(values, out)


def _halved(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k: v.bfloat16() if v.is_floating_point() and v.numel() > 1 else v for k, v in tensors.items()}


def load_weights(path: Path, network: RedNetwork) -> None:
    """Load averaged weights into a network; identity classes are learned anew where their number differs."""
    values = torch.load(path, map_location="cpu", weights_only=True)["average"]
    own = network.state_dict()
    fitting = {name: value for name, value in values.items() if name in own and own[name].shape == value.shape}
    missing = sorted(name for name in own if name not in fitting and not name.startswith(CLASSIFIER))
    if missing:
        raise ValueError(
            f"{path} does not fit the preset {network.preset.name}: {missing[0]} and {len(missing) - 1} more"
        )
    network.load_state_dict(own | fitting)


def load_network(path: Path) -> RedNetwork:
    """The network of a checkpoint with its averaged weights, ready to run; of either kind (see red.models.build)."""
    values = torch.load(path, map_location="cpu", weights_only=True)
    network = build_network(preset_from_dict(values["preset"]))
    classifier = {name: value for name, value in network.state_dict().items() if name.startswith(CLASSIFIER)}
    network.load_state_dict(classifier | values["average"])
    # A PaperNetwork has the same face; who exports or validates a network uses no more than that.
    return cast(RedNetwork, network.eval())
