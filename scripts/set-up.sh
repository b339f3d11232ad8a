#!/usr/bin/env bash
# Make .venv in the repo's root and install Trainshed with these extras into it, unless that has
# been done: a second run needs no network.
#   scripts/set-up.sh training,ner,sentiment,serving
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
extras=${1:?which extras of setup.cfg?}

# What has been installed is written down last, so that an interrupted install is done again.
wanted="$extras $(cat setup.cfg pyproject.toml constraints.txt | cksum)"
done_file=.venv/.installed
if [[ -f $done_file ]] && grep -qxF "$wanted" "$done_file"; then
    exit 0
fi

if [[ ! -x .venv/bin/python ]]; then
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
    if ! "$python" -m venv .venv; then
        rm -rf .venv
        echo "Error: $python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2
        exit 1
    fi
fi
echo "Installing into .venv (once; the frameworks take a few minutes) …" >&2
# A constraints file, not a lock: it holds every version that the tests ran with.
.venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable ".[$extras]" >&2
echo "$wanted" >> "$done_file"
