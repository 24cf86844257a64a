"""One network from one preset, whichever of the two kinds it is."""

from __future__ import annotations

from typing import overload

from red.network import RedNetwork
from red.paper.network import PaperNetwork
from red.paper.preset import PaperPreset
from red.presets import Preset

AnyNetwork = RedNetwork | PaperNetwork


@overload
def build_network(preset: Preset) -> RedNetwork: ...


@overload
def build_network(preset: PaperPreset) -> PaperNetwork: ...


def build_network(preset: Preset | PaperPreset) -> AnyNetwork:
    """A new network of these sizes."""
    return PaperNetwork(preset) if isinstance(preset, PaperPreset) else RedNetwork(preset)
