#!/bin/sh
# Makes the image that the Dockerfile's FROM names, from Debian's packages, where no registry can be reached.
# Needs root, debootstrap and buildah. The host's certificate authorities go in with it: behind a proxy of a company
# pip could not fetch anything otherwise. Usage: base.sh [IMAGE]
set -eu
image=${1:-docker.io/library/python:3.11-slim}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
debootstrap --variant=minbase --include=python3,python3-pip,python3-venv,ca-certificates bookworm "$folder" \
    "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" > "$folder.log" 2>&1 || { cat "$folder.log" >&2; exit 1; }
rm -rf "$folder.log" "$folder"/usr/lib/python3*/EXTERNALLY-MANAGED "$folder"/var/lib/apt/lists/* \
    "$folder"/var/cache/apt/archives/*.deb
ln -sf python3 "$folder/usr/bin/python"
cp -L /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/ca-certificates.crt"
container=$(buildah from scratch)
buildah add --quiet "$container" "$folder" / > /dev/null
buildah config --cmd python3 "$container"
buildah commit --quiet --rm "$container" "$image"
