"""Starts the stand-in:

    python -m local.aws --data DIR --template cloud/template.yaml --ready FILE [--port 0] [--mqtt-port 0]
        [--web-port 0] [--region NAME] [--parameter NAME=VALUE ...] [--die-with-parent]

It runs until SIGTERM or SIGINT. FILE appears when everything answers.
"""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import sys
import threading
from pathlib import Path

from local.aws.service import LocalAws, Options, write_ready


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.aws", description="AWS on one machine, for EdgeNVR.")
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps the state between runs")
    parser.add_argument("--template", type=Path, required=True, help="the SAM template whose resources are made")
    parser.add_argument("--ready", type=Path, required=True, help="JSON file written when everything answers")
    parser.add_argument("--port", type=int, default=0, help="port of the endpoint, 0 takes a free one")
    parser.add_argument("--mqtt-port", type=int, default=0, help="port of the MQTT broker, 0 takes a free one")
    parser.add_argument("--web-port", type=int, default=0, help="port of the page, API and media; 0 takes a free one")
    parser.add_argument("--region", default="eu-central-1", help="the region it says it is")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="of the template")
    parser.add_argument("--die-with-parent", action="store_true", help="stop when the process that started it ends")
    return parser.parse_args(arguments)


def _stop_with_parent(parent: int, stop: threading.Event) -> None:
    """Sets `stop` when the process `parent` has ended: the kernel tells, nobody polls."""
    try:
        handle = os.pidfd_open(parent)
    except ProcessLookupError:
        stop.set()
        return
    if os.getppid() == parent:
        select.select([handle], [], [])
    stop.set()


def main(arguments: list[str]) -> int:
    """Runs until told to stop."""
    given = _arguments(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if given.die_with_parent:
        threading.Thread(target=_stop_with_parent, args=(os.getppid(), stop), daemon=True).start()
    given.ready.unlink(missing_ok=True)
    parameters = dict(text.split("=", 1) for text in given.parameter)
    service = LocalAws(
        Options(
            *(given.data, given.template, given.region, "127.0.0.1"),
            *(given.port, given.mqtt_port, given.web_port),
            parameters,
        )
    )
    service.start()
    write_ready(given.ready, service.ready())
    stop.wait()
    service.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
