"""What a Triton server says of its two models, held against the tensor contract."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tritonclient.grpc import model_config_pb2 as config_pb2

from red_align import contract
from red_align.engine.base import ModelInfo
from red_align.errors import ModelMismatch
from red_align.schemes import SCHEMES

_UINT8, _FP32 = config_pb2.TYPE_UINT8, config_pb2.TYPE_FP32
_STATE_IN_MODEL = "python"
"""Triton keeps no implicit state for this backend: such a model keeps its own, by correlation id."""


def model_info(step: config_pb2.ModelConfig, acquire: config_pb2.ModelConfig) -> ModelInfo:
    """The model behind both configurations; raises ModelMismatch naming what does not keep the contract."""
    info = _info(step)
    if info != (other := _info(acquire)):
        raise ModelMismatch(f"the server's two models differ: {info} and {other}")
    _check_tensors(step, contract.STEP_INPUTS, contract.STEP_OUTPUTS, info)
    _check_tensors(acquire, contract.ACQUIRE_INPUTS, contract.ACQUIRE_OUTPUTS, info)
    _check_sequences(step, info)
    if acquire.HasField("sequence_batching"):
        raise ModelMismatch(f"{acquire.name}: it must be stateless, but has sequence batching")
    return info


def sequence_slots(step: config_pb2.ModelConfig) -> int:
    """How many sequences the server admits at once, by its strategy: candidates, or the slots of a batch.

    Each instance of the model has its own.
    """
    candidates: int = step.sequence_batching.oldest.max_candidate_sequences
    instances = sum(max(group.count, 1) for group in step.instance_group)
    slots: int = max(instances, 1) * (candidates or max(step.max_batch_size, 1))
    return slots


def _info(config: config_pb2.ModelConfig) -> ModelInfo:
    values = {name: parameter.string_value for name, parameter in config.parameters.items()}
    try:
        info = ModelInfo(
            values["preset"],
            values["training_run"],
            int(values["contract_version"]),
            SCHEMES[values["scheme"]],
            int(values["memory"]),
            "triton",
            # A repository that does not say is of fp32, or of one's own making.
            values.get("precision", "fp32"),
        )
    except (KeyError, ValueError) as error:
        raise ModelMismatch(f"{config.name}: parameter missing or wrong: {error}") from error
    if info.contract_version != contract.CONTRACT_VERSION:
        raise ModelMismatch(
            f"{config.name} keeps contract version {info.contract_version}, this service {contract.CONTRACT_VERSION}"
        )
    return info


def _check_tensors(
    config: config_pb2.ModelConfig, inputs: tuple[str, ...], outputs: tuple[str, ...], info: ModelInfo
) -> None:
    """Ordinary inputs and outputs; start, state and next_state belong to the sequence batcher."""
    points, memory, size = info.scheme.num_points, info.memory_size, contract.CROP_SIZE
    wanted = {
        contract.CROP: (_UINT8, [size, size, 3]),
        contract.PRIOR: (_FP32, [2 * points]),
        contract.RESUME: (_FP32, [memory]),
        contract.LANDMARKS: (_FP32, [2 * points]),
        contract.CONFIDENCE: (_FP32, [points]),
        contract.MEMORY: (_FP32, [memory]),
    }
    for kind, names, found in (("input", inputs, config.input), ("output", outputs, config.output)):
        have = _named(found)
        for name in (name for name in names if name in wanted):
            if name not in have:
                raise ModelMismatch(f"{config.name} has no {kind} '{name}'")
            if have[name] != wanted[name]:
                raise ModelMismatch(
                    f"{config.name}: {kind} '{name}' is {_described(*have[name])}, must be {_described(*wanted[name])}"
                )
        if extra := sorted(set(have) - set(wanted)):
            raise ModelMismatch(f"{config.name}: '{extra[0]}' must not be listed as {kind}")


def _check_sequences(config: config_pb2.ModelConfig, info: ModelInfo) -> None:
    if not config.HasField("sequence_batching"):
        raise ModelMismatch(f"{config.name} has no sequence batching: no memory would be kept")
    batching = config.sequence_batching
    controls = {
        control.name: list(kind.fp32_false_true)
        for control in batching.control_input
        for kind in control.control
        if kind.kind == config_pb2.ModelSequenceBatching.Control.CONTROL_SEQUENCE_START
    }
    if controls.get(contract.START) != [0.0, 1.0]:
        raise ModelMismatch(f"{config.name}: '{contract.START}' must be the START control, 0 or 1 in float32")
    if config.backend == _STATE_IN_MODEL:
        return
    states = {(s.input_name, s.output_name): (s.data_type, list(s.dims)) for s in batching.state}
    have, wanted = states.get((contract.STATE, contract.NEXT_STATE)), (_FP32, [info.memory_size])
    if have != wanted:
        found = "missing" if have is None else _described(*have)
        state = f"state '{contract.STATE}' to '{contract.NEXT_STATE}'"
        raise ModelMismatch(f"{config.name}: {state} is {found}, must be {_described(*wanted)}")


def _named(tensors: Iterable[Any]) -> dict[str, tuple[int, list[int]]]:
    return {tensor.name: (tensor.data_type, list(tensor.dims)) for tensor in tensors}


def _described(data_type: int, dims: list[int]) -> str:
    return f"{config_pb2.DataType.Name(data_type)}{dims}"
