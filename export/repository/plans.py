"""TensorRT plans: the commands that build them, with the ``trtexec`` of the very Triton that will load them.

A plan holds for one TensorRT version and one kind of GPU, so it is built where it is served.
"""

from __future__ import annotations

from red_align import contract

SCRIPT = "build_plans.sh"
SOURCE = "source.onnx"
"""The ONNX file beside a model's configuration that its plan is built from."""
PLAN = "1/model.plan"
TRTEXEC = "/usr/src/tensorrt/bin/trtexec"
_HEAD = f"""#!/bin/sh
# Written by red-export: builds the plans of this repository for the GPU of this host, where they are not there yet.
set -eu
cd "$(dirname "$0")"
trtexec="${{TRTEXEC:-{TRTEXEC}}}"
gpu="$(nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader | head -n 1)"
build() {{
    name="$1"; shift
    # What a plan depends on; another GPU, another Triton image or another model makes a new one.
    made_from="$(sha256sum "$name/{SOURCE}" | cut -d ' ' -f 1) ${{NVIDIA_TRITON_SERVER_VERSION:-unknown}} $gpu $*"
    if [ -f "$name/{PLAN}" ] && [ "$(cat "$name/made_from" 2>/dev/null)" = "$made_from" ]; then
        echo "$name: its plan is there"
        return
    fi
    mkdir -p "$name/1"
    "$trtexec" --onnx="$name/{SOURCE}" --saveEngine="$name/{PLAN}.new" --skipInference "$@"
    mv "$name/{PLAN}.new" "$name/{PLAN}"
    printf '%s' "$made_from" > "$name/made_from"
}}
"""


def script(metadata: dict[str, str], max_batch: int) -> str:
    """The script that builds the plans of both models on the machine that serves them.

    Args:
        metadata: That of either graph.
        max_batch: Largest batch of the plans.

    Returns:
        Text of a shell script.
    """
    calls = [
        " ".join(["build", name, *_arguments(inputs, metadata, max_batch)])
        for name, inputs in (
            (contract.STEP_GRAPH, contract.STEP_INPUTS),
            (contract.ACQUIRE_GRAPH, contract.ACQUIRE_INPUTS),
        )
    ]
    return _HEAD + "\n".join(calls) + "\n"


def input_shapes(inputs: tuple[str, ...], metadata: dict[str, str]) -> dict[str, list[int]]:
    """Shapes of the inputs without the batch axis.

    Args:
        inputs: Names of the inputs.
        metadata: That of the graph.

    Returns:
        Dimensions by name.
    """
    points, memory, size = int(metadata["points"]), int(metadata["memory"]), contract.CROP_SIZE
    shapes = {
        contract.CROP: [size, size, 3],
        contract.PRIOR: [2 * points],
        contract.START: [1],
        contract.RESUME: [memory],
        contract.STATE: [memory],
    }
    return {name: shapes[name] for name in inputs}


def _arguments(inputs: tuple[str, ...], metadata: dict[str, str], max_batch: int) -> list[str]:
    shapes = input_shapes(inputs, metadata)
    sizes = {"min": 1, "opt": min(8, max_batch), "max": max_batch}
    given = [
        f"--{kind}Shapes=" + ",".join(f"{name}:{'x'.join(map(str, [n, *dims]))}" for name, dims in shapes.items())
        for kind, n in sizes.items()
    ]
    # What was evaluated is what is built: a variant keeps its graph's types, and fp32 has all its bits (TF32 has 11).
    exact = metadata.get("precision", "fp32") == "fp32"
    return [*given, "--noTF32" if exact else "--stronglyTyped"]
