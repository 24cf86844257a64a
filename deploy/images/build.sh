#!/bin/sh
# Builds the images of the Dockerfile's targets without a daemon: buildah as root, isolated by chroot. The base is pulled
# where it is not there and can be; PULL=0 makes it from Debian's packages (base.sh).
# Usage: build.sh [TARGET...]; TORCH_INDEX names another index of torch for `export`.
set -eu
cd "$(dirname "$0")/../.."
export BUILDAH_ISOLATION="${BUILDAH_ISOLATION:-chroot}" STORAGE_DRIVER="${STORAGE_DRIVER:-vfs}"
base=docker.io/library/python:3.11-slim
if ! buildah inspect --type image "$base" > /dev/null 2>&1; then
    [ "${PULL:-1}" = 1 ] && buildah pull --quiet "$base" > /dev/null 2>&1 || sh deploy/images/base.sh "$base"
fi
for target in "${@:-gateway}"; do
    set -- ${TORCH_INDEX:+--build-arg TORCH_INDEX="$TORCH_INDEX"}
    buildah bud --quiet --pull-never --layers --target "$target" "$@" --tag "red-align-$target" .
done
