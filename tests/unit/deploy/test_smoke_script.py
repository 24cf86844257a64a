"""The smoke script knows a repository that leaves TF32 on; what it does to a server is in tests/triton."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from export.repository.triton_config import ServeOptions
from export.repository.triton_repository import write_repository
from service.config.settings import MODEL_FOLDER
from tests.support.deploy.scripts import load_script


@pytest.fixture(scope="module")
def smoke() -> ModuleType:
    return load_script("deploy/triton/smoke.py")


def exported(folder: Path, options: ServeOptions) -> pb.ModelConfig:
    write_repository(MODEL_FOLDER, folder, options)
    return text_format.Parse((folder / "red" / "config.pbtxt").read_text(), pb.ModelConfig())


def test_a_repository_of_ours_does_not_round_to_tf32(smoke: ModuleType, tmp_path: Path) -> None:
    for options in (ServeOptions(), ServeOptions(gpu=False), ServeOptions(backend="tensorrt")):
        assert not smoke.rounds_to_tf32(exported(tmp_path, options), "fp32")


def test_one_that_was_written_before_does(smoke: ModuleType, tmp_path: Path) -> None:
    config = exported(tmp_path, ServeOptions())
    config.ClearField("optimization")
    assert smoke.rounds_to_tf32(config, "fp32")
    assert not smoke.rounds_to_tf32(config, "fp16")  # which has its own tolerance
