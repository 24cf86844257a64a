"""The script that builds TensorRT plans: once for each model, GPU and Triton; and which device a repository is for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from export import commands
from export.main import main
from export.repository import plans
from export.repository.devices import has_gpu
from export.repository.triton_config import ServeOptions
from export.repository.triton_repository import write_repository
from service.config.settings import MODEL_FOLDER

MODELS = ("red", "red_acquire")
# Writes its own arguments as the plan, and counts its calls.
TRTEXEC = """#!/bin/sh
for a in "$@"; do case $a in
    --saveEngine=*) echo "$@" > "${a#*=}";;
    --onnx=*) test -s "${a#*=}" || exit 1;;
esac; done
echo run >> "$(dirname "$0")/calls"
"""


class Host:
    """A machine with tools of its own: a driver that names GPUs, and a trtexec that builds in no time."""

    def __init__(self, folder: Path) -> None:
        self.tools, self.models = folder / "tools", folder / "models"
        self.tools.mkdir()
        self.calls = self.tools / "calls"
        self.triton = "25.10"
        self.tool("trtexec", TRTEXEC)
        self.gpus("Some GPU, 8.9")

    def tool(self, name: str, text: str) -> None:
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def gpus(self, *names: str) -> None:
        self.tool("nvidia-smi", "#!/bin/sh\n" + "".join(f"echo '{name}'\n" for name in names))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": f"{self.tools}:/usr/bin:/bin", "TRTEXEC": str(self.tools / "trtexec")}
        env["NVIDIA_TRITON_SERVER_VERSION"] = self.triton
        command = ["sh", str(self.models / plans.SCRIPT), *arguments]
        return subprocess.run(command, env=env, check=False, capture_output=True, text=True)

    def built(self) -> int:
        """Plans that were built since the last call."""
        count = len(self.calls.read_text().splitlines()) if self.calls.exists() else 0
        self.calls.unlink(missing_ok=True)
        return count


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    write_repository(MODEL_FOLDER, made.models, ServeOptions(backend="tensorrt", max_batch=32))
    return made


def config(folder: Path, name: str) -> pb.ModelConfig:
    return text_format.Parse((folder / name / "config.pbtxt").read_text(), pb.ModelConfig())


def test_each_plan_is_built_once_for_the_shapes_and_precision_that_are_served(host: Host) -> None:
    assert not list(host.models.glob("*/1/*"))  # until a GPU is there
    assert host.run().returncode == 0
    assert host.built() == 2
    for name in MODELS:
        model = config(host.models, name)
        assert model.default_model_filename == Path(plans.PLAN).name
        said = (host.models / name / plans.PLAN).read_text()
        for tensor in model.input:
            shape = "x".join(str(d) for d in tensor.dims)
            assert f"{tensor.name}:1x{shape}" in said
            assert f"{tensor.name}:32x{shape}" in said
        assert "--noTF32" in said  # fp32 is fp32
    assert "state:32x" in (host.models / "red" / plans.PLAN).read_text()
    again = host.run()
    assert again.stdout.count("its plan is there, for model") == 2
    assert host.built() == 0


def test_another_gpu_triton_or_model_has_a_plan_of_its_own_that_all_three_name(host: Host) -> None:
    host.run()
    host.built()
    host.gpus("Another GPU, 9.0")
    host.run()
    assert host.built() == 2
    host.triton = "26.01"
    host.run()
    assert host.built() == 2
    source = host.models / "red" / plans.SOURCE
    source.write_bytes(source.read_bytes() + b" ")
    host.run()
    assert host.built() == 1  # that of the model which changed
    kept = sorted(path.name.split("-", 1)[1] for path in (host.models / "red" / "plans").iterdir())
    assert kept == ["25.10-Another_GPU__9.0.plan", "25.10-Some_GPU__8.9.plan", *["26.01-Another_GPU__9.0.plan"] * 2]


def test_a_plan_that_was_built_before_is_taken_again(host: Host) -> None:
    host.run()
    first = (host.models / "red" / plans.PLAN).read_text()
    host.gpus("Another GPU, 9.0")
    host.run()
    host.gpus("Some GPU, 8.9")
    host.built()
    assert host.run().returncode == 0
    assert host.built() == 0
    assert (host.models / "red" / plans.PLAN).read_text() == first


def test_check_says_which_plans_are_stale_and_builds_none(host: Host) -> None:
    none = host.run("--check")
    assert none.returncode == 1
    assert none.stdout.count("there is one for: nothing") == 2
    host.run()
    host.built()
    assert host.run("--check").returncode == 0
    host.triton = "26.01"
    stale = host.run("--check")
    assert stale.returncode == 1
    assert stale.stdout.count("its plan is stale; there is one for: model") == 2
    assert "Triton 25.10, GPU Some GPU, 8.9; here it is: model" in stale.stdout
    assert host.built() == 0


def test_a_build_that_fails_leaves_the_plan_that_was_there_and_ends_with_its_status(host: Host) -> None:
    host.run()
    before = (host.models / "red" / plans.PLAN).read_text()
    host.triton = "26.01"
    host.tool("trtexec", "#!/bin/sh\necho no memory >&2\nexit 3\n")
    ended = host.run()
    assert ended.returncode == 3
    assert (host.models / "red" / plans.PLAN).read_text() == before
    assert host.run("--check").returncode == 1


def test_a_host_without_gpu_or_trtexec_is_told_so_in_a_sentence(host: Host) -> None:
    host.tool("nvidia-smi", "#!/bin/sh\nexit 9\n")
    ended = host.run()
    assert (ended.returncode, ended.stderr) == (1, "build_plans.sh: nvidia-smi finds no GPU here\n")
    host.gpus("Some GPU, 8.9")
    (host.tools / "trtexec").unlink()
    ended = host.run()
    assert ended.returncode == 1
    assert "is missing: run this in the image of Triton" in ended.stderr


def test_gpus_of_several_kinds_are_named(host: Host) -> None:
    host.gpus("Some GPU, 8.9", "Some GPU, 8.9")
    assert "several kinds" not in host.run().stdout
    host.gpus("Some GPU, 8.9", "Another GPU, 9.0")
    assert "several kinds: the plans are for Some GPU, 8.9" in host.run().stdout


@pytest.mark.parametrize(
    ("flags", "here", "wanted"),
    [
        ([], False, "KIND_CPU"),
        ([], True, "KIND_GPU"),
        (["--cpu"], True, "KIND_CPU"),
        (["--gpu"], False, "KIND_GPU"),
        (["--backend", "tensorrt"], False, "KIND_GPU"),
    ],
)
def test_a_repository_is_for_the_device_that_is_asked_for_or_found(
    flags: list[str],
    here: bool,
    wanted: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(commands, "FRAMES", 2)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "nvidia-smi").write_text(
        "#!/bin/sh\necho 'GPU 0: Some GPU (UUID: GPU-1)'\n" if here else "#!/bin/sh\nexit 9\n"
    )
    (tools / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    assert has_gpu() == here
    assert main(["repository", str(MODEL_FOLDER), str(tmp_path / "models"), *flags]) == 0
    for name in MODELS:
        (group,) = config(tmp_path / "models", name).instance_group
        assert pb.ModelInstanceGroup.Kind.Name(group.kind) == wanted
    said = capsys.readouterr().out
    assert ("this machine has" in said) == (not flags)
    assert ("no plan yet" in said) == ("tensorrt" in flags)


def test_tensorrt_on_the_cpu_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["repository", str(MODEL_FOLDER), str(tmp_path / "models"), "--backend", "tensorrt", "--cpu"]
    assert main(command) == 1
    assert "GPUs alone" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_no_driver_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not has_gpu()
