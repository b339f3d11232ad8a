#!/usr/bin/env bash
# Stop a platform's trainings, so that `terraform destroy` need not wait for them: turn off what
# calls the consumer, stop every training's task, and wait until none is left. The task definitions
# that the consumer has made for pushed images go too, for terraform does not know them. Nothing else
# is deleted: `terraform apply` turns the consumer on again, which then settles the stopped trainings'
# records, and defines anew what it needs.
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


def pages(operation, **parameters):
    return ecs.get_paginator(operation).paginate(**parameters)


def running():
    for page in pages("list_tasks", cluster=outputs["cluster"], desiredStatus="RUNNING"):
        if not page["taskArns"]:
            continue
        answer = ecs.describe_tasks(cluster=outputs["cluster"], tasks=page["taskArns"])
        for task in answer["tasks"]:
            # A pushed image's family is its model type's, an underscore, and which image it is.
            family = task.get("group", "").removeprefix("family:").split("_")[0]
            if family in outputs["training_families"]:
                yield task["taskArn"]


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
for family in outputs["training_families"]:
    for page in pages("list_task_definition_families", familyPrefix=f"{family}_", status="ACTIVE"):
        for pushed in page["families"]:
            for found in pages("list_task_definitions", familyPrefix=pushed):
                for definition in found["taskDefinitionArns"]:
                    ecs.deregister_task_definition(taskDefinition=definition)
print(f"Drained: {len(asked)} stopped, none left.")
PY
