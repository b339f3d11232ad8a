#!/usr/bin/env bash
# Make .venv in the repo's root and install Trainshed with these extras into it, unless that has
# been done: a second run needs no network.
#   scripts/set-up.sh training,ner,sentiment,image_classification,serving
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
extras=${1:?which extras of setup.cfg?}

# What is installed is written down last, so that an interrupted install is done again.
versions=$(cat setup.cfg pyproject.toml constraints.txt | cksum)
installed=.venv/.installed
is_installed() {
    local extra
    for extra in ${extras//,/ }; do
        grep -qsxF "$extra $versions" "$installed" || return 1
    done
}
is_installed && exit 0

if ! .venv/bin/python -m pip --version &>/dev/null; then
    python=""
    for candidate in python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
    if [[ -z $python ]]; then
        echo "Error: Python 3.11 or newer is needed, and none was found." >&2
        exit 1
    fi
    if ! "$python" -m venv --clear .venv; then
        echo "Error: $python cannot make a virtual environment." \
            "On Debian, apt-get install python3-venv helps." >&2
        exit 1
    fi
fi
echo "Installing into .venv (once; the frameworks take a few minutes) …" >&2
PYTHONWARNINGS=ignore .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable ".[$extras]" >&2
for extra in ${extras//,/ }; do
    echo "$extra $versions" >> "$installed"
done
