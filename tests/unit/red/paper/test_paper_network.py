"""The paper's network: its figures layer by layer, what the passes share, and what may change the code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from export.parity import moving_faces
from red.models.build import build_network
from red.models.edge.network import RedNetwork
from red.models.paper.network import PaperNetwork
from red.models.paper.preset import PAPER, PaperPreset
from red.models.paper.spatial import SpatialRecurrence
from red.models.presets import EDGE, preset_from_dict
from red.training.validate import to_image
from tests.support.paper import THIN, lively_paper

DOCS = Path(__file__).parents[4] / "docs" / "paper_network.md"
VGG_16 = 14_714_688
"""Weights and biases of VGG-16's thirteen convolutions on three channels."""
LABEL_CHANNEL = 64 * 9
BIASES = 2 * 64 + 2 * 128 + 3 * 256 + 3 * 512 + 3 * 512


@pytest.fixture(scope="module")
def full() -> PaperNetwork:
    torch.manual_seed(0)
    return PaperNetwork(PAPER).eval()


@pytest.fixture(scope="module", params=["ibug68", "ibug7"])
def thin(request: pytest.FixtureRequest) -> PaperNetwork:
    return lively_paper(replace(THIN, scheme=request.param, identities=5))


@pytest.fixture(scope="module")
def image() -> Tensor:
    return to_image(torch.from_numpy(moving_faces(3, 1)[:, 0]))


def count(module: nn.Module, kind: type[nn.Module] = nn.Module) -> int:
    """Parameters of a module's layers of one kind."""
    layers = [m for m in module.modules() if isinstance(m, kind)]
    return sum(p.numel() for layer in layers for p in layer.parameters(recurse=False))


def leaves(network: PaperNetwork) -> dict[str, nn.Module]:
    """Convolutions and linear layers by the names that the table in the documents has."""
    named: dict[str, nn.Module] = {}
    for stage, blocks in enumerate(network.f_enc.stages, 1):
        named |= {f"conv{stage}_{n}": block[0] for n, block in enumerate(blocks.children(), 1)}  # type: ignore[index]
    for stage, blocks in enumerate(network.f_denc.stages, 1):
        mirror = 2 if stage < 3 else 3
        named |= {f"conv{stage}_{mirror - n}_D": block[0] for n, block in enumerate(blocks.children())}  # type: ignore[index]
    named["conv1_1_D"] = network.f_denc.maps
    named |= {f"reg{size}": getattr(network.f_reg, f"at{size}")[0] for size in (128, 64, 32, 16, 8)}
    named |= {"reg hidden": network.f_reg.hidden[0], "reg offsets": network.f_reg.offsets}
    named |= {"reg confidence": network.f_reg.confidence}
    named |= {"lstm gates": network.f_trnn.gates, "lstm answer": network.f_trnn.expand[0]}
    return named | {"cls hidden": network.f_cls.layers[1]}


@torch.no_grad()
def output_sizes(network: PaperNetwork) -> dict[str, str]:
    """Height x width x channels behind every layer of ``leaves``; one number behind linear ones."""
    sizes: dict[str, str] = {}

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_: nn.Module, __: tuple[Tensor, ...], out: Tensor) -> None:
            sizes[name] = "x".join(str(v) for v in (*out.shape[2:], out.shape[1]))

        return hook

    handles = [layer.register_forward_hook(note(name)) for name, layer in leaves(network).items()]
    result = network.track(torch.zeros(1, 3, 128, 128), network.mean_prior(1), network.fresh_memory(1))
    network.f_cls(result.code_id)
    for handle in handles:
        handle.remove()
    return sizes


def test_the_encoder_has_vgg_16s_parameters(full: PaperNetwork) -> None:
    assert count(full.f_enc, nn.Conv2d) == VGG_16 - BIASES + LABEL_CHANNEL == 14_711_040
    assert count(full.f_enc, nn.BatchNorm2d) == 2 * BIASES
    assert count(full.f_enc) == 14_719_488
    plain = PaperNetwork(replace(PAPER, batch_norm=False))
    assert count(plain.f_enc) == VGG_16 + LABEL_CHANNEL == 14_715_264
    assert not any(isinstance(m, nn.BatchNorm2d) for m in plain.modules())


def test_the_parts_have_the_parameters_that_the_documents_say(full: PaperNetwork) -> None:
    named = re.findall(r"^\| (f_\w+) \|.*?\| ([\d ]+) \|$", DOCS.read_text("utf-8"), re.MULTILINE)
    said = {name: int(number.replace(" ", "")) for name, number in named}
    assert said == {name: count(getattr(full, name)) for name in ("f_enc", "f_denc", "f_reg", "f_trnn", "f_cls")}


def test_every_layer_is_in_the_documents_with_its_size_and_parameters(full: PaperNetwork) -> None:
    rows = re.findall(r"^\| ([\w ]+) \| ([\dx]+) \| ([\d ]+) \|", DOCS.read_text("utf-8"), re.MULTILINE)
    said = {name: (size, int(number.replace(" ", ""))) for name, size, number in rows}
    sizes = output_sizes(full)
    assert said == {name: (sizes[name], count(layer)) for name, layer in leaves(full).items()}


@torch.no_grad()
def test_the_code_and_its_company_have_the_papers_sizes(full: PaperNetwork) -> None:
    prior, sides = full.mean_prior(1), full.sizes(full.mean_prior(1), 7.0)
    encoded = full.f_enc(torch.rand(1, 3, 128, 128), full.f_srnn.draw(prior, sides))
    assert encoded.code_id.shape == encoded.code_pe.shape == (1, 256, 4, 4)
    assert encoded.conv2_2.shape == (1, 128, 64, 64)
    assert encoded.conv4_3.shape == (1, 512, 16, 16)
    channels = zip((64, 32, 16, 8, 4), (64, 128, 256, 512, 512), strict=True)
    assert [p.shape for p in encoded.positions] == [(1, c, size, size) for size, c in channels]
    assert all(set(p.unique().tolist()) <= {0, 1, 2, 3} for p in encoded.positions)
    result = full.track(torch.rand(1, 3, 128, 128), prior, full.fresh_memory(1))
    assert result.maps.shape == (1, 69, 128, 128)
    assert result.points.shape == (1, 68, 2)
    assert result.memory.shape == (1, 1024)


@torch.no_grad()
def test_every_output_has_its_shape(thin: PaperNetwork, image: Tensor) -> None:
    points = thin.scheme.num_points
    passes = thin.acquire(image, thin.mean_prior(3), thin.fresh_memory(3))
    assert len(passes) == 3
    for result in [*passes, thin.track(image, passes[-1].points, passes[-1].memory)]:
        assert result.points.shape == result.centres.shape == (3, points, 2)
        assert result.confidence.shape == (3, points)
        assert result.maps.shape == (3, points + 1, 128, 128)
        assert result.memory.shape == (3, 32)
        assert thin.f_cls(result.code_id).shape == (3, 5)
        assert all(torch.isfinite(t).all() for t in result)


@torch.no_grad()
def test_a_new_networks_points_are_the_mean_shape(thin: PaperNetwork, image: Tensor) -> None:
    new = PaperNetwork(thin.preset).eval()
    torch.testing.assert_close(new.track(image, new.mean_prior(3), new.fresh_memory(3)).points, new.mean_prior(3))
    assert (thin.track(image, new.mean_prior(3), new.fresh_memory(3)).points - new.mean).abs().mean() > 0.1


@torch.no_grad()
def test_passes_share_all_weights_and_draw_the_centres_of_the_one_before(
    thin: PaperNetwork, image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[Tensor, float]] = []
    draw = SpatialRecurrence.draw

    def watched(self: SpatialRecurrence, points: Tensor, square_px: Tensor) -> Tensor:
        drawn.append((points, float(square_px[0, 0])))
        return draw(self, points, square_px)

    monkeypatch.setattr(SpatialRecurrence, "draw", watched)
    passes = thin.acquire(image, thin.mean_prior(3), thin.fresh_memory(3))
    assert [size for _, size in drawn] == [7.0, 5.0, 3.0]
    for (points, _), wanted in zip(drawn, [thin.mean_prior(3), passes[0].centres, passes[1].centres], strict=True):
        torch.testing.assert_close(points, wanted)
    again = thin.track(image, passes[1].centres, thin.fresh_memory(3))
    torch.testing.assert_close(again.points, passes[2].points)
    single = PaperNetwork(replace(thin.preset, square_px=(7.0,))).eval()
    single.load_state_dict(thin.state_dict())
    first = single.acquire(image, thin.mean_prior(3), thin.fresh_memory(3))
    torch.testing.assert_close(first[0].points, passes[0].points)
    assert (passes[0].points - passes[2].points).abs().max() > 0.01


@torch.no_grad()
def test_the_lstm_replaces_c_pe_and_does_not_touch_c_id(thin: PaperNetwork, image: Tensor) -> None:
    prior, fresh = thin.mean_prior(3), thin.fresh_memory(3)
    used = torch.randn(fresh.shape, generator=torch.Generator().manual_seed(2))
    one, other = thin.track(image, prior, fresh), thin.track(image, prior, used)
    assert torch.equal(one.code_id, other.code_id)
    assert (one.memory - other.memory).abs().max() > 1e-2
    assert (one.points - other.points).abs().max() > 1e-3
    half = thin.preset.code // 2
    assert one.code_id.shape[1] == half
    # With an answer that is always 0, nothing of C_pe reaches the decoder.
    mute, seen = deepcopy(thin), []
    for layer in mute.f_trnn.expand.parameters():
        layer.zero_()
    mute.f_denc.register_forward_pre_hook(lambda _, given: seen.append(given))
    mute.track(image, prior, fresh)
    assert torch.equal(seen[0][0], one.code_id)
    assert seen[0][1].abs().max() == 0


@torch.no_grad()
def test_c_id_does_not_enter_the_memory(thin: PaperNetwork, image: Tensor) -> None:
    other, half = deepcopy(thin), thin.preset.code // 2
    other.f_enc.stages[4][2][0].weight[:half].neg_()  # type: ignore[index]
    prior, memory = thin.mean_prior(3), thin.fresh_memory(3)
    before, after = (n.track(image, prior, memory) for n in (thin, other))
    assert (before.code_id - after.code_id).abs().max() > 0.1
    torch.testing.assert_close(before.memory, after.memory)


@torch.no_grad()
def test_without_the_temporal_part_memory_passes_unchanged(thin: PaperNetwork, image: Tensor) -> None:
    early = PaperNetwork(replace(thin.preset, temporal=False)).eval()
    early.load_state_dict(thin.state_dict())
    memory = torch.randn(3, thin.preset.memory, generator=torch.Generator().manual_seed(3))
    one, other = (early.track(image, early.mean_prior(3), m) for m in (memory, 0 * memory))
    assert torch.equal(one.memory, memory)
    assert torch.equal(one.points, other.points)
    assert (one.points - thin.track(image, thin.mean_prior(3), memory).points).abs().max() > 1e-3


def test_a_preset_survives_json_and_names_its_network() -> None:
    preset = replace(THIN, scheme="ibug7", square_px=(5.0, 3.0), identities=2)
    again = preset_from_dict(json.loads(json.dumps(preset.as_dict())))
    assert again == preset
    assert isinstance(build_network(THIN), PaperNetwork)
    assert isinstance(build_network(EDGE), RedNetwork)
    assert preset_from_dict(EDGE.as_dict()) == EDGE
    with pytest.raises(ValueError, match="'papyrus'"):
        preset_from_dict(preset.as_dict() | {"name": "papyrus"})


@pytest.mark.parametrize("wrong", [{"lstm": 513}, {"widths": (8, 8, 8, 8, 9)}])
def test_sizes_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"1026 floats|9 channels"):
        PaperPreset(**wrong)  # type: ignore[arg-type]
