#!/usr/bin/env bash
# Set up .venv if need be, then check everything: style, types, tests. Arguments go to pytest.
#   ./scripts/test.sh
#   ./scripts/test.sh tests/unit -k request
#   ./scripts/test.sh --proof     search for faults in full; TRAINSHED_SEEDS=1000000 for a night's
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/set-up.sh aws,training,ner,sentiment,image_classification,serving,test
export PATH="$PWD/.venv/bin:$PATH"
# The settings of whoever runs the tests are none of the tests' business.
for variable in "${!TRAINSHED_@}"; do
    [[ $variable == TRAINSHED_SEEDS ]] || unset "$variable"
done
# Nothing may be fetched from a model hub.
export HF_HUB_OFFLINE=1

ruff check .
ruff format --check --quiet .
mypy .
pytest "$@"
