"""Triton configurations of the two graphs, built in Triton's own protobuf schema.

No ``model_warmup``: it bypasses the sequencer, and a model with implicit state then does not load. ``next_state``
is no output: a tensor that is both state and output fails as soon as two sequences share a batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from red_align import contract

Backend = Literal["onnxruntime", "tensorrt"]
Strategy = Literal["oldest", "direct"]
FILE_OF_BACKEND: dict[str, str] = {"onnxruntime": "model.onnx", "tensorrt": "model.plan"}


@dataclass(frozen=True)
class ServeOptions:
    """How Triton shall serve: see the fields of the same names in its model configuration.

    ``candidates`` is the most sequences at once (strategy oldest); it must exceed what all gateways together
    admit. ``idle_s`` frees the slots of gateways that died; a stream that pauses longer loses nothing but the
    slot, since its gateway kept its memory.

    ``instances`` is of each model; 0 stands for 2 on the CPU and 1 on a GPU. ``threads`` is of one network call on the
    CPU (docs/decisions/0022-triton-client.md has the measurements).
    """

    backend: Backend = "onnxruntime"
    gpu: bool = True
    max_batch: int = 64
    strategy: Strategy = "oldest"
    candidates: int = 2048
    idle_s: float = 60.0
    instances: int = 0
    threads: int = 1

    @property
    def instance_count(self) -> int:
        """Instances of each model."""
        return self.instances or (1 if self.gpu else 2)


def step_config(metadata: dict[str, str], options: ServeOptions) -> pb.ModelConfig:
    """``red``: sequence batching, memory as implicit state that begins as zeros, START as an input.

    Args:
        metadata: That of the exported graph.
        options: How it shall be served.

    Returns:
        The model's configuration.
    """
    config = _config(contract.STEP_GRAPH, metadata, options)
    memory = int(metadata["memory"])
    batching = config.sequence_batching
    batching.max_sequence_idle_microseconds = int(options.idle_s * 1e6)
    control = batching.control_input.add(name=contract.START).control.add()
    control.kind = pb.ModelSequenceBatching.Control.CONTROL_SEQUENCE_START
    control.fp32_false_true.extend([0.0, 1.0])
    state = batching.state.add(input_name=contract.STATE, output_name=contract.NEXT_STATE, data_type=pb.TYPE_FP32)
    state.dims.append(memory)
    zeros = state.initial_state.add(name="zeros", data_type=pb.TYPE_FP32, zero_data=True)
    zeros.dims.append(memory)
    # No queue delay: a lone stream would pay it at every frame, and batches form without it while one runs.
    if options.strategy == "oldest":
        batching.oldest.max_candidate_sequences = options.candidates
        batching.oldest.max_queue_delay_microseconds = 0
    else:
        batching.direct.max_queue_delay_microseconds = 0
    return config


def acquire_config(metadata: dict[str, str], options: ServeOptions) -> pb.ModelConfig:
    """``red_acquire``: stateless, batched across streams while one batch runs.

    Args:
        metadata: That of the exported graph.
        options: How it shall be served.

    Returns:
        The model's configuration.
    """
    config = _config(contract.ACQUIRE_GRAPH, metadata, options)
    config.dynamic_batching.max_queue_delay_microseconds = 0
    return config


def config_text(config: pb.ModelConfig) -> str:
    """The configuration as the text of a ``config.pbtxt``."""
    head = "# Written by red-export; see export/repository/triton_config.py for the reasons.\n"
    return head + str(text_format.MessageToString(config))


def _config(name: str, metadata: dict[str, str], options: ServeOptions) -> pb.ModelConfig:
    points, memory, size = int(metadata["points"]), int(metadata["memory"]), contract.CROP_SIZE
    config = pb.ModelConfig(
        name=name,
        backend=options.backend,
        max_batch_size=options.max_batch,
        default_model_filename=FILE_OF_BACKEND[options.backend],
    )
    for tensor, kind, dims in (
        (contract.CROP, pb.TYPE_UINT8, [size, size, 3]),
        (contract.PRIOR, pb.TYPE_FP32, [2 * points]),
        (contract.RESUME, pb.TYPE_FP32, [memory]),
    ):
        config.input.add(name=tensor, data_type=kind, dims=dims)
    for tensor, length in ((contract.LANDMARKS, 2 * points), (contract.CONFIDENCE, points), (contract.MEMORY, memory)):
        config.output.add(name=tensor, data_type=pb.TYPE_FP32, dims=[length])
    group = config.instance_group.add(count=options.instance_count)
    group.kind = pb.ModelInstanceGroup.KIND_GPU if options.gpu else pb.ModelInstanceGroup.KIND_CPU
    if options.backend == "onnxruntime" and not options.gpu:
        config.parameters["intra_op_thread_count"].string_value = str(options.threads)
    exact = metadata.get("precision", "fp32") == "fp32"
    if options.backend == "onnxruntime" and options.gpu and exact:
        # TF32, which CUDA would use by itself, has 10 bits of mantissa: points of fp32 shall be those of the CPU.
        cuda = config.optimization.execution_accelerators.gpu_execution_accelerator.add(name="cuda")
        cuda.parameters["use_tf32"] = "0"
    for key in ("contract_version", "preset", "scheme", "points", "memory", "passes", "training_run", "mean_shape"):
        config.parameters[key].string_value = metadata[key]
    config.parameters["precision"].string_value = metadata.get("precision", "fp32")
    return config
