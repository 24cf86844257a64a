"""Weights of VGG-16 from a file: both layouts, and files that are refused by the name of the tensor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from red.models.paper.encoder import IMAGENET_MEAN, IMAGENET_STD, Encoder
from red.models.paper.preset import PAPER, PaperPreset
from red.models.paper.vgg import BadWeights, load_vgg
from tests.support.paper import THIN


def torchvision_vgg(widths: tuple[int, ...], batch_norm: bool) -> nn.Sequential:
    """The convolutional part as torchvision builds and numbers it, with random values of all its parts."""
    layers: list[nn.Module] = []
    channels = 3
    for width, number in zip(widths, (2, 2, 3, 3, 3), strict=True):
        for _ in range(number):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU())
            channels = width
        layers.append(nn.MaxPool2d(2))
    vgg = nn.Sequential(*layers).eval()
    torch.manual_seed(1)
    for module in vgg:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            assert module.bias is not None
            nn.init.normal_(module.bias, std=0.1)
        elif isinstance(module, nn.BatchNorm2d):
            state = module.state_dict()
            for name in ("weight", "running_var"):
                nn.init.uniform_(state[name], 0.5, 1.5)
            for name in ("bias", "running_mean"):
                nn.init.normal_(state[name], std=0.2)
    return vgg


def write(path: Path, vgg: nn.Module, **changes: object) -> Path:
    values: dict[str, object] = {f"features.{k}": v for k, v in vgg.state_dict().items()}
    values |= {"classifier.0.weight": torch.zeros(2, 2)}
    for name, value in changes.items():
        values[name.replace("__", ".")] = value
    torch.save({k: v for k, v in values.items() if v is not None}, path)
    return path


def code(encoder: Encoder, image: Tensor) -> Tensor:
    """C_id and C_pe with some label map, which must not matter."""
    encoded = encoder.eval()(image, torch.rand(len(image), 1, 128, 128))
    return torch.cat([encoded.code_id, encoded.code_pe], dim=1)


@torch.no_grad()
@pytest.mark.parametrize(
    ("in_file", "in_network"), [(False, True), (True, True), (False, False)], ids=["plain", "both", "neither"]
)
def test_a_loaded_encoder_is_vgg_16_on_the_image(tmp_path: Path, in_file: bool, in_network: bool) -> None:
    vgg = torchvision_vgg(THIN.widths, in_file)
    encoder = Encoder(replace(THIN, batch_norm=in_network))
    load_vgg(encoder, write(tmp_path / "vgg.pth", vgg))
    image = torch.rand(2, 3, 128, 128)
    mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    wanted = vgg((image - mean) / std)
    assert wanted.std() > 0.05
    torch.testing.assert_close(code(encoder, image), wanted, atol=1e-4, rtol=1e-4)


def test_a_file_of_the_full_size_fits(tmp_path: Path) -> None:
    vgg, encoder = torchvision_vgg(PAPER.widths, False), Encoder(PAPER)
    load_vgg(encoder, write(tmp_path / "vgg.pth", vgg))
    ours, theirs = encoder.state_dict(), vgg.state_dict()
    first = ours["stages.0.0.0.weight"]
    assert torch.equal(first[:, :3], theirs["0.weight"])
    assert first[:, 3].abs().max() == 0
    assert torch.equal(ours["stages.4.2.0.weight"], theirs["28.weight"])


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"features__17__weight": None}, r"features\.17\.weight is missing"),
        ({"features__28__bias": torch.zeros(3)}, r"features\.28\.bias is \(3,\), expected \(32,\)"),
        ({"features__0__weight": torch.zeros(8, 4, 3, 3)}, r"features\.0\.weight is \(8, 4, 3, 3\), expected \(8, 3"),
        ({"features__5__weight": "text"}, r"features\.5\.weight is missing"),
        ({"features__2__bias": torch.full((8,), float("nan"))}, r"features\.2\.bias is not finite"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_its_tensor_and_changes_nothing(
    tmp_path: Path, changes: dict[str, object], reported: str
) -> None:
    path = write(tmp_path / "vgg.pth", torchvision_vgg(THIN.widths, False), **changes)
    encoder = Encoder(THIN)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    with pytest.raises(BadWeights, match=reported) as caught:
        load_vgg(encoder, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04broken"])
def test_what_is_no_file_of_weights_is_refused_by_its_path(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vgg.pth"
    path.write_bytes(content)
    with pytest.raises(BadWeights) as caught:
        load_vgg(Encoder(THIN), path)
    assert str(caught.value).startswith(f"{path}: not a file of weights")


def test_a_list_is_no_state_dict_and_a_missing_file_is_said_to_miss(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(BadWeights, match="holds a list"):
        load_vgg(Encoder(THIN), tmp_path / "list.pth")
    with pytest.raises(FileNotFoundError):
        load_vgg(Encoder(THIN), tmp_path / "nowhere.pth")


@pytest.mark.parametrize(("preset", "reported"), [(replace(THIN, batch_norm=False), "features.1 is a batch norm")])
def test_batch_norm_that_the_preset_lacks_is_refused(tmp_path: Path, preset: PaperPreset, reported: str) -> None:
    path = write(tmp_path / "vgg_bn.pth", torchvision_vgg(THIN.widths, True))
    with pytest.raises(BadWeights, match=reported):
        load_vgg(Encoder(preset), path)
