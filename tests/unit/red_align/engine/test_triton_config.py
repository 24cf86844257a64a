"""Triton's configurations: in its own schema, of the ONNX files, and as the gateway wants them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from export.main import main
from export.onnx_files import metadata_of
from export.repository.triton_config import ServeOptions
from export.repository.triton_repository import write_repository
from red_align import contract
from red_align.engine.triton_config import model_info, sequence_slots
from red_align.errors import ModelMismatch
from service.config.settings import MODEL_FOLDER

TYPES: dict[int, pb.DataType] = {onnx.TensorProto.FLOAT: pb.TYPE_FP32, onnx.TensorProto.UINT8: pb.TYPE_UINT8}


def configs(folder: Path) -> tuple[pb.ModelConfig, pb.ModelConfig]:
    step, acquire = (
        text_format.Parse((folder / name / "config.pbtxt").read_text(), pb.ModelConfig())
        for name in (contract.STEP_GRAPH, contract.ACQUIRE_GRAPH)
    )
    return step, acquire


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_repository(MODEL_FOLDER, folder, ServeOptions())
    return folder


def test_every_tensor_of_the_files_has_its_place_in_the_configuration(repository: Path) -> None:
    for config in configs(repository):
        graph = onnx.load(repository / config.name / "1" / config.default_model_filename).graph
        batching = config.sequence_batching
        inputs = [*config.input, *(s for s in batching.state)]
        outputs = [*config.output, *(s for s in batching.state)]
        for have, said, names in (
            (graph.input, inputs, ("name", "input_name")),
            (graph.output, outputs, ("name", "output_name")),
        ):
            listed = {next(getattr(t, n) for n in names if hasattr(t, n)): (t.data_type, list(t.dims)) for t in said}
            found = {
                t.name: (TYPES[t.type.tensor_type.elem_type], [d.dim_value for d in t.type.tensor_type.shape.dim[1:]])
                for t in have
                if t.name != contract.START
            }
            assert listed == found
            assert all(t.type.tensor_type.shape.dim[0].dim_param for t in have)  # the batch


def test_the_configurations_that_are_kept_to_be_read_are_those_of_the_shipped_model(repository: Path) -> None:
    kept = Path(__file__).parents[4] / "deploy" / "triton"
    for name in (contract.STEP_GRAPH, contract.ACQUIRE_GRAPH):
        assert (kept / name / "config.pbtxt").read_text() == (repository / name / "config.pbtxt").read_text()


def test_memory_is_implicit_state_that_begins_as_zeros(repository: Path) -> None:
    step, acquire = configs(repository)
    batching = step.sequence_batching
    (state,) = batching.state
    (zeros,) = state.initial_state
    assert zeros.zero_data
    assert list(zeros.dims) == list(state.dims)
    (control,) = batching.control_input
    assert control.name == contract.START
    assert list(control.control[0].fp32_false_true) == [0.0, 1.0]
    assert contract.NEXT_STATE not in {output.name for output in step.output}
    assert not step.model_warmup
    assert batching.max_sequence_idle_microseconds == 60_000_000  # the server's own default is one second
    assert batching.oldest.max_queue_delay_microseconds == 0
    assert acquire.HasField("dynamic_batching")
    assert not acquire.HasField("sequence_batching")


def test_the_gateway_takes_what_the_exporter_writes_and_knows_the_model(repository: Path) -> None:
    metadata = metadata_of(onnx.load(MODEL_FOLDER / "red.onnx", load_external_data=False))
    info = model_info(*configs(repository))
    assert (info.preset, info.training_run) == (metadata["preset"], metadata["training_run"])
    assert info.memory_size == int(metadata["memory"])
    assert (info.engine, info.precision, info.providers) == ("triton", "fp32", ())


def test_fp32_on_a_gpu_keeps_all_its_bits_in_onnx_runtime(tmp_path: Path) -> None:
    def accelerators(options: ServeOptions) -> list[tuple[str, dict[str, str]]]:
        write_repository(MODEL_FOLDER, tmp_path, options)
        step, acquire = configs(tmp_path)
        both = [
            [
                (one.name, dict(one.parameters))
                for one in c.optimization.execution_accelerators.gpu_execution_accelerator
            ]
            for c in (step, acquire)
        ]
        assert both[0] == both[1]
        return both[0]

    assert accelerators(ServeOptions()) == [("cuda", {"use_tf32": "0"})]
    assert accelerators(ServeOptions(gpu=False)) == []
    assert accelerators(ServeOptions(backend="tensorrt")) == []  # its plan was built with --noTF32


@pytest.mark.slow
def test_direct_scheduling_cpu_and_limits_are_a_matter_of_flags(tmp_path: Path) -> None:
    flags = ["--cpu", "--strategy", "direct", "--max-batch", "4", "--idle", "7.5", "--instances", "2"]
    assert main(["repository", str(MODEL_FOLDER), str(tmp_path), *flags]) == 0
    step, _ = configs(tmp_path)
    assert step.sequence_batching.HasField("direct")
    assert (step.max_batch_size, step.sequence_batching.max_sequence_idle_microseconds) == (4, 7_500_000)
    assert [(g.count, g.kind) for g in step.instance_group] == [(2, pb.ModelInstanceGroup.KIND_CPU)]
    assert step.backend == "onnxruntime"
    assert sequence_slots(step) == 8  # 4 of each instance


@pytest.mark.parametrize(
    ("flags", "instances", "threads"),
    [
        (["--cpu"], 2, "1"),
        (["--cpu", "--instances", "5", "--threads", "3"], 5, "3"),
        (["--gpu"], 1, ""),
        (["--gpu", "--threads", "3"], 1, ""),
    ],
)
@pytest.mark.slow
def test_instances_and_threads_of_a_cpu_are_a_matter_of_flags(
    tmp_path: Path, flags: list[str], instances: int, threads: str
) -> None:
    assert main(["repository", str(MODEL_FOLDER), str(tmp_path), "--candidates", "10", *flags]) == 0
    for config in configs(tmp_path):
        assert [group.count for group in config.instance_group] == [instances]
        assert config.parameters["intra_op_thread_count"].string_value == threads
    assert sequence_slots(configs(tmp_path)[0]) == 10 * instances


def longer(config: pb.ModelConfig, field: str, name: str) -> None:
    next(t for t in getattr(config, field) if t.name == name).dims[0] += 1


def spoil_state(config: pb.ModelConfig) -> None:
    config.sequence_batching.state[0].dims[0] += 1


def list_state(config: pb.ModelConfig) -> None:
    config.output.add(name=contract.NEXT_STATE, data_type=pb.TYPE_FP32, dims=[256])


def turn_start(config: pb.ModelConfig) -> None:
    del config.sequence_batching.control_input[0].control[0].fp32_false_true[:]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda c: longer(c, "input", contract.RESUME), "'resume'"),
        (lambda c: longer(c, "output", contract.LANDMARKS), "'landmarks'"),
        (lambda c: c.input.pop(0), "no input 'crop'"),
        (spoil_state, "'state' to 'next_state'"),
        (lambda c: c.sequence_batching.ClearField("state"), "missing"),
        (list_state, "'next_state' must not be listed"),
        (turn_start, "'start' must be the START control"),
        (lambda c: c.ClearField("sequence_batching"), "no sequence batching"),
        (lambda c: c.parameters["contract_version"].__setattr__("string_value", "9"), "contract version 9"),
        (lambda c: c.parameters.pop("scheme"), "scheme"),
    ],
)
def test_what_breaks_the_contract_is_named(
    repository: Path, spoil: Callable[[pb.ModelConfig], object], words: str
) -> None:
    step, acquire = configs(repository)
    spoil(step)
    if "contract version" in words or words == "scheme":
        spoil(acquire)
    with pytest.raises(ModelMismatch, match=words):
        model_info(step, acquire)


def test_two_models_of_different_runs_are_refused(repository: Path) -> None:
    step, acquire = configs(repository)
    acquire.parameters["training_run"].string_value = "another"
    with pytest.raises(ModelMismatch, match="another"):
        model_info(step, acquire)
    step, acquire = configs(repository)
    acquire.sequence_batching.CopyFrom(step.sequence_batching)
    with pytest.raises(ModelMismatch, match="stateless"):
        model_info(step, acquire)
