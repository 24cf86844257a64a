"""fp16: a copy of a network that computes in half precision where that is harmless, and in float32 elsewhere.

Half precision has 11 bits: at the far edge of a 128 px crop that is 1/16 px. So points, priors, the label map's
drawing, the LSTM with its memory, and f_REG from the maps' centres on stay float32; what is made of feature maps
alone, nearly all of the work, is half.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from red.models.build import AnyNetwork

_MAPS = ("stem", "f_enc", "f_denc")
"""Parts whose inputs and outputs are feature maps; f_REG's ``at...`` are added to them."""


def halved(network: AnyNetwork) -> AnyNetwork:
    """A copy that computes in half precision where that is harmless; it also runs, where torch has half kernels.

    Args:
        network: Of either kind of network; it is left as it is.

    Returns:
        A copy for tracing, with casts where its parts meet.
    """
    copy = deepcopy(network).eval()
    half = list(_half_modules(copy))
    for module in half:
        module.half()
        _cast_inputs(module, torch.float16)
    inside = {part for module in half for part in module.modules()}
    for module in copy.modules():
        # What has weights or reads maps outside of these begins with floats.
        if module not in inside and not any(part in inside for part in module.modules()):
            _cast_inputs(module, torch.float32)
    return copy


def _half_modules(network: nn.Module) -> Iterator[nn.Module]:
    for name, module in network.named_modules():
        parent, _, child = name.rpartition(".")
        if name in _MAPS or (parent == "f_reg" and child.startswith("at")):
            yield module


def _cast_inputs(module: nn.Module, dtype: torch.dtype) -> None:
    module.register_forward_pre_hook(lambda _, args: tuple(_cast(value, dtype) for value in args))


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, tuple):
        cast = [_cast(part, dtype) for part in value]
        return type(value)(*cast) if hasattr(value, "_fields") else tuple(cast)
    return value
