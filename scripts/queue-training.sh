#!/usr/bin/env bash
# Queue a training on whichever engine the settings name; all arguments go to `trainshed submit`.
#   scripts/queue-training.sh my-model
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ -x "$root/.venv/bin/trainshed" ]]; then
    exec "$root/.venv/bin/trainshed" submit "$@"
fi
exec trainshed submit "$@"
