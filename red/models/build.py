"""One network from one preset, whichever of the two kinds it is."""

from __future__ import annotations

from typing import overload

from red.models.edge.network import RedNetwork
from red.models.paper.network import PaperNetwork
from red.models.paper.preset import PaperPreset
from red.models.presets import Preset

AnyNetwork = RedNetwork | PaperNetwork


@overload
def build_network(preset: Preset) -> RedNetwork: ...


@overload
def build_network(preset: PaperPreset) -> PaperNetwork: ...


def build_network(preset: Preset | PaperPreset) -> AnyNetwork:
    """A new network of these sizes."""
    return PaperNetwork(preset) if isinstance(preset, PaperPreset) else RedNetwork(preset)
