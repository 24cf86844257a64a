"""Execution providers: named, present, started and taking part, or a clear error; never the CPU in silence."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import onnx
import onnxruntime as ort
import pytest

from export.onnx_files import metadata_of
from red_align.engine import providers
from red_align.engine.base import ModelInfo
from red_align.engine.default import load_engine
from red_align.engine.onnx_session import nodes_by_provider, open_session
from red_align.engine.providers import Chosen, int8_instructions, parse_providers
from red_align.engine.variants import require_precision, variant_folder
from red_align.errors import ConfigurationError, ModelMismatch, ProviderUnavailable
from service.config.settings import MODEL_FOLDER

STEP = MODEL_FOLDER / "red.onnx"
CUDA = (Chosen("cuda"), Chosen("cpu"))


def test_providers_are_named_in_order_with_their_devices() -> None:
    assert parse_providers(" TensorRT, cuda:1 ,cpu") == (Chosen("tensorrt"), Chosen("cuda", "1"), Chosen("cpu"))
    assert parse_providers(["openvino:gpu"]) == (Chosen("openvino", "gpu"),)
    assert parse_providers("cuda:1")[0].options(2) == {"use_tf32": "0", "device_id": "1"}
    assert parse_providers("openvino:gpu")[0].options(2) == {"device_type": "GPU"}
    assert parse_providers("openvino")[0].options(2) == {"num_of_threads": "2"}


@pytest.mark.parametrize(
    ("names", "why"),
    [("rocm", "'rocm' is none of cpu, cuda"), ("", "no execution provider"), ("cpu,cpu", "one twice"), ("cpu:1", "no")],
)
def test_names_that_mean_nothing_are_refused(names: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        parse_providers(names)


def test_a_provider_that_is_not_installed_is_named_with_those_that_are_and_the_extra() -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        load_engine("directml,cpu")
    assert caught.value.metadata["provider"] == "directml"
    for words in ("'directml'", "which has cpu", "red-align[directml]", "onnxruntime-directml"):
        assert words in caught.value.message


def test_builds_that_overwrite_each_other_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Installed:
        def __init__(self, name: str) -> None:
            self.metadata = {"Name": name}

    both = [Installed("onnxruntime"), Installed("onnxruntime-gpu"), Installed("numpy")]
    monkeypatch.setattr(providers, "distributions", lambda: both)
    with pytest.raises(ProviderUnavailable, match="overwrite each other's files: pip uninstall -y onnxruntime onnx"):
        providers.require_present(CUDA)


def test_a_provider_that_onnx_runtime_leaves_out_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """As its builds for CUDA do without CUDA's libraries: a session is made all the same, of the CPU alone."""
    monkeypatch.setattr(providers, "present_providers", lambda: ("cuda", "cpu"))
    with pytest.warns(UserWarning, match="not in available"), pytest.raises(ProviderUnavailable) as caught:
        open_session(STEP, 1, CUDA)
    assert "'cuda' is installed but does not start" in caught.value.message


class _Node:
    def __init__(self, ep_name: str, count: int) -> None:
        self.ep_name, self._count = ep_name, count

    def get_nodes(self) -> list[int]:
        return [0] * self._count


class _Session:
    """What a session says of itself when CUDA runs some of its nodes."""

    parts: Sequence[_Node] = ()

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def get_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def get_provider_graph_assignment_info(self) -> Sequence[_Node]:
        return self.parts


@pytest.mark.parametrize(
    ("cuda", "cpu", "names", "why"),
    [
        (0, 9, "cuda,cpu", "takes none of the 9 nodes"),
        (7, 2, "cuda", "leaves 2 of 9 nodes of red.onnx to the CPU; 'cuda,cpu' allows"),
        (7, 2, "cuda,cpu", ""),
        (9, 0, "cuda", ""),
    ],
)
def test_who_runs_which_node_is_held_against_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, cuda: int, cpu: int, names: str, why: str
) -> None:
    parts = [_Node("CPUExecutionProvider", cpu), _Node("CUDAExecutionProvider", cuda)]
    monkeypatch.setattr(_Session, "parts", [part for part in parts if part.get_nodes()])
    monkeypatch.setattr(providers, "present_providers", lambda: ("cuda", "cpu"))
    monkeypatch.setattr(ort, "InferenceSession", _Session)
    if why:
        with pytest.raises(ProviderUnavailable, match=why):
            open_session(STEP, 1, parse_providers(names))
    else:
        session = open_session(STEP, 1, parse_providers(names))
        assert nodes_by_provider(session).get("cuda") == cuda


def test_a_damaged_file_is_no_fault_of_the_provider(tmp_path: Path) -> None:
    (tmp_path / "red.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelMismatch, match="does not load"):
        open_session(tmp_path / "red.onnx", 1, parse_providers("cpu"))


def test_the_engine_says_what_really_runs() -> None:
    engine = load_engine(["cpu"], threads=1)
    try:
        assert (engine.info.providers, engine.info.precision) == (("cpu",), "fp32")
    finally:
        engine.close()
    session = open_session(STEP, 1, (Chosen("cpu"),))
    assert sum(nodes_by_provider(session).values()) > 50
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert "CPUExecutionProvider" in ort.get_available_providers()


@pytest.fixture
def two_precisions(tmp_path: Path) -> Path:
    """The shipped graphs, and beside them a copy that calls itself int8."""
    folder = tmp_path / "model"
    shutil.copytree(MODEL_FOLDER, folder)
    shutil.copytree(MODEL_FOLDER, folder / "int8")
    for file in (folder / "int8").glob("*.onnx"):
        model = onnx.load(file, load_external_data=False)
        onnx.helper.set_model_props(model, metadata_of(model) | {"precision": "int8"})
        file.write_bytes(model.SerializeToString())
    return folder


def test_a_precision_is_a_folder_below_the_model(two_precisions: Path) -> None:
    def loaded(model: Path, **asked: str) -> ModelInfo:
        engine = load_engine(model=model, **asked)  # type: ignore[arg-type]
        engine.close()
        return engine.info

    assert loaded(two_precisions).precision == "fp32"
    assert loaded(two_precisions, precision="fp32").precision == "fp32"
    assert loaded(two_precisions, precision="int8").precision == "int8"
    assert loaded(two_precisions / "int8").precision == "int8"
    assert loaded(two_precisions / "int8", precision="int8").precision == "int8"
    assert variant_folder(two_precisions, "fp16") == two_precisions
    with pytest.raises(ModelMismatch, match=r"in fp32, and no folder 'fp16'.*red-export graphs"):
        loaded(two_precisions, precision="fp16")
    with pytest.raises(ModelMismatch, match="in int8"):
        require_precision(loaded(two_precisions / "int8"), "fp32", two_precisions / "int8")


def test_the_cpu_says_which_instructions_for_int8_it_has(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni amx_int8\n")
    assert int8_instructions(file) == ("AVX-512 VNNI", "AMX")
    file.write_text("processor\t: 0\nflags\t\t: fpu avx2\n")
    assert int8_instructions(file) == ()
    file.write_text("processor\t: 0\nFeatures\t: fp asimd asimddp i8mm\n")
    assert int8_instructions(file) == ("dot product", "I8MM")
    assert int8_instructions(tmp_path / "none") is None
