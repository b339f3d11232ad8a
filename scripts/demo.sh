#!/usr/bin/env bash
# The main job on the embedded engine: queue two models, train both, serve them, ask them.
#   ./scripts/demo.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/set-up.sh training,ner,sentiment,serving
export PATH="$PWD/.venv/bin:$PATH"

say() { printf '\n%s\n' "$*"; }
free_port() {
    python - "$1" <<'PY'
import socket, sys
for port in (int(sys.argv[1]), 0):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(probe.getsockname()[1])
        break
PY
}
# GET or POST with curl or, where that is not installed, with Python.
fetch() {
    if command -v curl >/dev/null; then
        curl --silent --show-error --fail "$@"
    else
        python - "$@" <<'PY'
import sys, urllib.request
options = dict(zip(sys.argv[1:-1:2], sys.argv[2:-1:2]))
data = options.get("--data")
headers = dict([options["-H"].split(": ", 1)]) if "-H" in options else {}
request = urllib.request.Request(sys.argv[-1], data and data.encode(), headers)
print(urllib.request.urlopen(request).read().decode(), end="")
PY
    fi
}
ask() {
    printf '\ncurl -X POST %s --data "%s" -H "Content-type: text/plain"\n' "$1" "$2"
    fetch --data "$2" -H "Content-type: text/plain" "$1"
    echo
}

say "1. Queue two trainings"
ner=$(scripts/queue-training.sh demo-ner)
mood=$(scripts/queue-training.sh demo-sentiment --model-type sentiment)
echo "$ner"
echo "$mood"

say "2. Train them, at most two at once"
trainshed run --until-idle

say "3. What the registry knows"
trainshed ls --limit 5

say "4. Serve both, and ask them"
servers=()
trap '((${#servers[@]})) && kill "${servers[@]}" 2>/dev/null; wait' EXIT
ner_port=$(free_port 8080)
mood_port=$(free_port 8081)
log=$(mktemp)
trainshed serve "$ner" --port "$ner_port" 2>>"$log" & servers+=($!)
trainshed serve "$mood" --port "$mood_port" 2>>"$log" & servers+=($!)
for port in "$ner_port" "$mood_port"; do
    for _ in $(seq 150); do
        fetch "http://127.0.0.1:$port/readyz" >/dev/null 2>&1 && continue 2
        for server in "${servers[@]}"; do kill -0 "$server" 2>/dev/null || break 2; done
        sleep 0.2
    done
    echo "Error: the server on port $port does not get ready:" >&2
    cat "$log" >&2
    exit 1
done
ask "http://127.0.0.1:$ner_port/ner" "George Washington was president of the United States."
ask "http://127.0.0.1:$mood_port/sentiment" "I am so sad"
