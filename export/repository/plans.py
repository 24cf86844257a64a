"""TensorRT plans: the commands that build them, with the ``trtexec`` of the very Triton that will load them.

A plan holds for one TensorRT version and one kind of GPU, so it is built where it is served. Each is kept under a
name of the model, the Triton version and the GPU (``red/plans/``); that of this host is the one that is served.
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
# With --check it builds nothing, says of each plan whether it is current, and ends with 1 where one is not.
set -eu
cd "$(dirname "$0")"
trtexec="${{TRTEXEC:-{TRTEXEC}}}"
check=no; stale=0
[ "${{1:-}}" = --check ] && check=yes
fail() {{ echo "build_plans.sh: $1" >&2; exit 1; }}
gpus="$(nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader)" || fail "nvidia-smi finds no GPU here"
gpu="$(printf '%s\\n' "$gpus" | head -n 1)"
[ "$(printf '%s\\n' "$gpus" | sort -u | wc -l)" = 1 ] || echo "GPUs of several kinds: the plans are for $gpu"
triton="${{NVIDIA_TRITON_SERVER_VERSION:-unknown}}"
[ $check = yes ] || command -v "$trtexec" > /dev/null || fail "$trtexec is missing: run this in the image of Triton"
build() {{
    name="$1"; shift
    # What a plan depends on; another GPU, another Triton image or another model makes a new one.
    model="$({{ sha256sum < "$name/{SOURCE}"; echo "$*"; }} | sha256sum | cut -c 1-12)"
    made_for="model $model, Triton $triton, GPU $gpu"
    has="$(cat "$name/made_for" 2>/dev/null || echo nothing)"
    plan="$name/plans/$(printf '%s-%s-%s' "$model" "$triton" "$gpu" | tr -c 'A-Za-z0-9.-' _).plan"
    if [ -f "$name/{PLAN}" ] && [ "$has" = "$made_for" ]; then
        echo "$name: its plan is there, for $made_for"
        return
    fi
    if [ $check = yes ]; then
        stale=1
        [ -f "$name/{PLAN}" ] || has=nothing
        echo "$name: its plan is stale; there is one for: $has; here it is: $made_for"
        return
    fi
    mkdir -p "$name/1" "$name/plans"
    if [ ! -f "$plan" ]; then
        "$trtexec" --onnx="$name/{SOURCE}" --saveEngine="$plan.new" --skipInference "$@"
        mv "$plan.new" "$plan"
    fi
    cp "$plan" "$name/{PLAN}.new"
    mv "$name/{PLAN}.new" "$name/{PLAN}"
    printf '%s' "$made_for" > "$name/made_for"
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
    return _HEAD + "\n".join([*calls, "exit $stale"]) + "\n"


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
