"""Nine trainings, three slots: never more than three at once, and each is trained once."""

from __future__ import annotations

import pytest

from tests.flow.shed import PROCESS_SECONDS, Sampler, Shed, most_at_once

NAMES = [f"model-{number}" for number in range(9)]
CAP = 3


@pytest.mark.parametrize("consumers", [1, 3])
def test_consumers_keep_to_the_cap(shed: Shed, consumers: int) -> None:
    for name in NAMES:
        shed.submit(name, seconds=0.2)
    with Sampler(shed) as sampler:
        running = [
            shed.start("run", "--until-idle", TRAINSHED_CAP=str(CAP)) for _ in range(consumers)
        ]
        for consumer in running:
            _, errors = consumer.communicate(timeout=PROCESS_SECONDS)
            assert consumer.returncode == 0, errors
    assert shed.statuses() == dict.fromkeys(NAMES, "Completed")
    assert max(sampler.counts) == CAP, "as many as may, and no more"
    assert most_at_once(shed.events("begin"), shed.events("end")) <= CAP
    assert shed.times_trained() == dict.fromkeys(NAMES, 1)
    assert len(shed.events("begin")) == len(NAMES)
    assert {record.attempt for record in shed.records().values()} == {1}
    assert shed.slots_in_use() == 0


def test_the_most_important_is_trained_first(shed: Shed) -> None:
    for name, priority in (("low", 1), ("normal", 5), ("high", 9)):
        shed.done(
            "submit",
            name,
            "--model-type=toy",
            f"--priority={priority}",
            f"--set=ledger={shed.ledger}",
        )
    shed.done("run", "--until-idle", TRAINSHED_CAP="1")
    assert [entry["model_id"][:-37] for entry in shed.events("end")] == ["high", "normal", "low"]
    assert most_at_once(shed.events("begin"), shed.events("end")) == 1
