"""`trainshed run`"""

from __future__ import annotations

import logging
import signal
import time
from types import FrameType

import click

from command_line.output import notice
from command_line.session import now, open_session

_NAP_SECONDS = 0.1
"""How soon a signal is heeded between two ticks."""


@click.command()
@click.option(
    "--until-idle", is_flag=True, help="Stop once every model is finished; 0 also if some failed."
)
def command(until_idle: bool) -> None:
    """Consume the queue: take requests in, launch trainings while there are slots, judge those
    that have ended. Any number of consumers may run at once.

    Ctrl-C stops the consumer only: trainings go on, and the next `run` finds out what became of
    them. With --until-idle the exit code is 0 once all are finished, also if some have failed.
    """
    from command_line.progress import ProgressView
    from queue_consumer.loop import run

    stopped = False

    def on_signal(signum: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, on_signal)

    with open_session() as session, ProgressView(session.engine.registry) as view:
        # Through the view's console, so that a line never breaks a bar.
        logging.basicConfig(
            level=logging.WARNING, format="%(message)s", handlers=[view.log_handler()]
        )

        def pause() -> bool:
            view.update()
            until = time.monotonic() + session.settings.tick_seconds
            while not stopped and (left := until - time.monotonic()) > 0:
                time.sleep(min(left, _NAP_SECONDS))
            return not stopped

        idle = run(session.engine, session.settings, now, pause, until_idle=until_idle)
        view.update()
        running = session.engine.registry.slots_in_use()
    if running:
        notice(f"Stopped. {running} training(s) go on; `trainshed run` follows them again.")
    if until_idle and not idle:
        raise click.exceptions.Exit(1)
