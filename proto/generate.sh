#!/bin/sh
# Regenerate the stubs in red_align/v1 (grpcio-tools 1.81, whose output protobuf 6 reads). Usage: generate.sh OUT
set -eu
out=${1:-.}
here=$(dirname "$0")
python -m grpc_tools.protoc -I "$here" --python_out="$out" --pyi_out="$out" --grpc_python_out="$out" \
    "$here/red_align/v1/face_landmarks.proto"
