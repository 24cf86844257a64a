"""f_ENC's weights from a file of VGG-16: torchvision's state dict of ``vgg16`` or ``vgg16_bn``."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from red.models.paper.encoder import Encoder

_PLAIN = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_WITH_NORM = (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)
"""Places of the convolutions in ``features``; batch norm is at the place after each."""
_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


class BadWeights(ValueError):
    """A file that does not hold these weights; the message names the file and the tensor."""


def load_vgg(encoder: Encoder, path: Path) -> None:
    """Fill the encoder from a file; refuses it with BadWeights before anything is changed.

    The first layer gets zeros for the label map (ours), so that the encoder begins as VGG-16 on the image. Where
    the encoder's convolutions have no bias, the file's goes into the mean that batch norm takes away.
    """
    values = _Values(path)
    places = _WITH_NORM if "features.1.weight" in values.tensors else _PLAIN
    blocks = [block for stage in encoder.stages for block in stage.children() if isinstance(block, nn.Sequential)]
    if places is _WITH_NORM and not any(isinstance(m, nn.BatchNorm2d) for m in blocks[0]):
        raise BadWeights(f"{path}: features.1 is a batch norm, the preset has none")
    changes: list[tuple[Tensor, Tensor]] = []
    for at, block in zip(places, blocks, strict=True):
        changes += _block_changes(values, at, block, first=at == 0, with_norm=places is _WITH_NORM)
    with torch.no_grad():
        for target, value in changes:
            target.copy_(value)


def _block_changes(
    values: _Values, at: int, block: nn.Sequential, *, first: bool, with_norm: bool
) -> list[tuple[Tensor, Tensor]]:
    """What one convolution with its batch norm takes from the file: pairs of target and value."""
    conv, norm = block[0], block[1]
    assert isinstance(conv, nn.Conv2d)
    out, channels, height, width = conv.weight.shape
    weight = values.take(f"features.{at}.weight", (out, channels - first, height, width))
    if first:
        weight = torch.cat([weight, torch.zeros(out, 1, height, width)], dim=1)
    bias = values.take(f"features.{at}.bias", (out,))
    changes = [(conv.weight, weight)]
    if conv.bias is not None:
        return [*changes, (conv.bias, bias)]
    assert isinstance(norm, nn.BatchNorm2d)
    fresh = {"weight": torch.ones(out), "bias": torch.zeros(out)}
    # Without batch norm in the file, its layer begins as one that does nothing but add the bias.
    fresh |= {"running_mean": torch.zeros(out), "running_var": torch.full((out,), 1.0 - norm.eps)}
    parts = {p: values.take(f"features.{at + 1}.{p}", (out,)) if with_norm else fresh[p] for p in _NORM_PARTS}
    parts["running_mean"] = parts["running_mean"] - bias
    return changes + [(getattr(norm, part), parts[part]) for part in _NORM_PARTS]


class _Values:
    """The tensors of a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
            raise BadWeights(f"{path}: not a file of weights ({type(error).__name__})") from error
        if not isinstance(tensors, dict):
            raise BadWeights(f"{path}: a state dict expected, it holds a {type(tensors).__name__}")
        self.tensors = tensors

    def take(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """A tensor as float32, if it is there, has this shape and is finite."""
        value = self.tensors.get(name)
        if not isinstance(value, Tensor):
            raise BadWeights(f"{self.path}: {name} is missing")
        if tuple(value.shape) != shape:
            raise BadWeights(f"{self.path}: {name} is {tuple(value.shape)}, expected {shape}")
        if not bool(torch.isfinite(value).all()):
            raise BadWeights(f"{self.path}: {name} is not finite")
        return value.float()
