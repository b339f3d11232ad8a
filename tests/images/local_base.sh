#!/usr/bin/env bash
# Make a base image out of Debian's packages, for a machine that reaches no registry:
#   tests/images/local_base.sh localhost/debian-python:bookworm
# Needs root, debootstrap and podman. Like python:3.11-slim-bookworm it has Python 3.11 and neither
# compilers nor documentation.
set -euo pipefail
name=${1:?which name shall the image have?}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase \
    --include=python3,python3-venv,python3-pip,ca-certificates bookworm "$root" >&2
rm -rf "$root"/usr/share/{doc,info,locale,man}/* \
    "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*
chmod 755 "$root" # mktemp lets nobody else in, and the image's users must get in
tar -C "$root" -c . | podman import - "$name"
