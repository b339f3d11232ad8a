#!/usr/bin/env bash
# Build the consumer's deployment package for Lambda's python3.12 on x86_64: trainshed,
# queue_consumer and what they import. The same sources and constraints.txt give the same bytes,
# on every machine.
#   scripts/build_lambda.sh               # dist/consumer.zip
#   scripts/build_lambda.sh FILE.zip
set -euo pipefail
output=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/../dist/consumer.zip}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ -z ${PYTHON:-} ]]; then
    scripts/set-up.sh aws
    PYTHON=.venv/bin/python
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Compiled parts must be Lambda's, not this machine's. boto3 is left out: Lambda's runtime has it,
# and it is ten times as large as all the rest.
"$PYTHON" -m pip install --quiet --disable-pip-version-check --no-compile --target "$folder" \
    --platform manylinux2014_x86_64 --python-version 3.12 --implementation cp \
    --only-binary=:all: --constraint constraints.txt pydantic
# What pip notes of itself and of this install; the licences in the same folders stay.
rm -rf "$folder/bin" "$folder"/*.dist-info/{RECORD,INSTALLER,REQUESTED}
find trainshed queue_consumer -name '*.py' -exec cp --parents -t "$folder" {} +

mkdir -p "$(dirname "$output")"
"$PYTHON" - "$folder" "$output" <<'END'
import sys
import zipfile
from pathlib import Path

folder, output = map(Path, sys.argv[1:])
# Not compressed, for not every zlib compresses to the same bytes; nor with any time or mode of the
# files here.
with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as package:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
        entry.create_system = 3
        entry.external_attr = 0o100644 << 16
        package.writestr(entry, path.read_bytes())
END
echo "$output" >&2
