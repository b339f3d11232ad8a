#!/usr/bin/env bash
# Stop a platform's trainings, so that `terraform destroy` need not wait for them: turn off what
# calls the consumer, stop every training's task, and wait until none is left. Nothing is deleted:
# `terraform apply` turns the consumer on again, which then settles the stopped trainings' records.
#   scripts/drain.sh [terraform/platform]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
stack=${1:-$root/terraform/platform}
python=$root/.venv/bin/python
[[ -x $python ]] || python=python3

outputs=$(terraform -chdir="$stack" output -json)
OUTPUTS=$outputs "$python" - <<'PY'
import json
import os
import sys
import time

import boto3

outputs = {name: output["value"] for name, output in json.loads(os.environ["OUTPUTS"]).items()}
if "cluster" not in outputs:
    sys.exit("Error: this stack has no outputs; has it been applied?")
session = boto3.session.Session(region_name=outputs["region"])
ecs, events, functions = map(session.client, ("ecs", "events", "lambda"))

for rule in outputs["consumer_rules"]:
    events.disable_rule(Name=rule)
    print(f"Turned off {rule}.", flush=True)
# One that is running now may still launch a training.
consumer = functions.get_function_configuration(FunctionName=outputs["consumer"])
consumer_is_over = time.monotonic() + consumer["Timeout"]



def running():
    for family in outputs["training_families"]:
        for page in ecs.get_paginator("list_tasks").paginate(
            cluster=outputs["cluster"], family=family, desiredStatus="RUNNING"
        ):
            yield from page["taskArns"]


asked = set()
while True:
    for task in running():
        ecs.stop_task(cluster=outputs["cluster"], task=task, reason="the platform is drained")
        asked.add(task)
        print(f"Stopping {task.rsplit('/', 1)[-1]}.", flush=True)
    left = []
    for start in range(0, len(asked), 100):
        answer = ecs.describe_tasks(
            cluster=outputs["cluster"], tasks=sorted(asked)[start : start + 100]
        )
        left += [task for task in answer["tasks"] if task["lastStatus"] != "STOPPED"]
    if not left and time.monotonic() >= consumer_is_over:
        break
    time.sleep(1)
print(f"Drained: {len(asked)} stopped, none left.")
PY
