"""`python -m serving_image`: serve the model that the environment names, until SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from serving_image.settings import ServingSettings
from trainshed.errors import TrainshedError

CONFIGURATION = Path(__file__).with_name("gunicorn.conf.py")


def main() -> None:
    """Become gunicorn's master, in this process, so that it gets the signals itself."""
    # until gunicorn takes over, SIGTERM must end this process even if it is a container's first,
    # which no signal ends by default, and must leave no files behind
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = ServingSettings.from_environment(os.environ)
    except TrainshedError as error:
        raise SystemExit(f"Error: {error}") from None
    _check_free(settings.host, settings.port)
    # imported late: bad settings and a port in use are told at once
    from gunicorn.app.wsgiapp import run

    sys.argv = ["gunicorn", "--config", str(CONFIGURATION)]
    run()


def _check_free(host: str, port: int) -> None:
    """Exit with a message unless the port can be had: gunicorn itself tries for five seconds, after
    it fetched the artifact, and prints a dozen lines."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SystemExit(f"Error: cannot listen at {host}, port {port}: {reason}.") from None


if __name__ == "__main__":
    main()
