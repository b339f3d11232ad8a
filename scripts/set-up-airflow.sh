#!/usr/bin/env bash
# Make .venv/airflow, an environment of Airflow's own, for what it stands on is at odds with ours;
# tests/airflow runs the DAG in it. A second run needs no network.
#   scripts/set-up-airflow.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
environment=.venv/airflow

# What is installed is written down last, so that an interrupted install is done again.
versions=$(cat airflow/requirements.txt airflow/constraints.txt | cksum)
installed=$environment/.installed
[[ -f $installed && $(<"$installed") == "$versions" ]] && exit 0

python=.venv/bin/python
if [[ ! -x $python ]]; then
    echo "Error: run scripts/set-up.sh test first: it makes .venv, which this goes into." >&2
    exit 1
fi
"$python" -m venv --clear "$environment"
echo "Installing Airflow into $environment (once; a minute or two, and 450 MB) …" >&2
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint airflow/constraints.txt --requirement airflow/requirements.txt >&2
echo "$versions" >"$installed"
