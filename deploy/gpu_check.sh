#!/usr/bin/env bash
# All that a GPU can prove, in under eight minutes: a TensorRT for RTX plan built and run, ONNX Runtime with CUDA, milliseconds
# of a step for batches 1 to 256 in fp32 and fp16, the error of both, and parity with torch.
#
#   deploy/gpu_check.sh --prepare       once, before: an environment in .venv-gpu (Python 3.11+, gigabytes of CUDA)
#   deploy/gpu_check.sh [OPTION...]     the check; its table goes to docs/benchmarks.md, its figures to out/bench/gpu.json
#   deploy/gpu_check.sh --cpu ...       the same steps without a GPU; nothing is written to docs/benchmarks.md
#
# PYTHON names another environment. Options are those of `python -m benchmarks.gpu.check --help`; --faces FOLDER has labelled
# faces (pictures with .pts), without which no error is known.
set -euo pipefail
cd "$(dirname "$0")/.."
LIMIT_S="${LIMIT_S:-480}"

if [ "${1:-}" = --prepare ]; then
    "${PYTHON:-python3}" -m venv .venv-gpu
    pip=(.venv-gpu/bin/python -m pip install --quiet --disable-pip-version-check)
    "${pip[@]}" torch==2.13.0 --index-url "${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}"
    "${pip[@]}" . './deploy/server[export,rtx]' psutil 'cuda-bindings>=12,<13'
    # Builds of ONNX Runtime overwrite each other's files: the plain one goes first.
    .venv-gpu/bin/python -m pip uninstall --quiet --yes onnxruntime
    "${pip[@]}" 'onnxruntime-gpu[cuda,cudnn]>=1.24'
    echo "ready: deploy/gpu_check.sh"
    exit 0
fi

options=(--engines cuda rtx --write docs/benchmarks.md)
if [ "${1:-}" = --cpu ]; then
    shift
    options=(--engines cpu)
else
    nvidia-smi -L || { echo "gpu_check.sh: no GPU here; --cpu goes the same way without one" >&2; exit 1; }
fi
python="${PYTHON:-.venv-gpu/bin/python}"
command -v "$python" > /dev/null || { echo "gpu_check.sh: $python is missing; --prepare makes it, or PYTHON names another" >&2; exit 1; }
status=0
timeout --kill-after=10 "$LIMIT_S" "$python" -m benchmarks.gpu.check "${options[@]}" "$@" || status=$?
[ "$status" != 124 ] || echo "gpu_check.sh: not done within $LIMIT_S s; fewer --batches, or a smaller --budget" >&2
exit "$status"
