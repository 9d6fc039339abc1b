"""`python -m local.iot_core --data DIR --ready FILE`: HTTP and MQTT on loopback until SIGTERM.

FILE appears when both ports are open and holds `{"pid", "http_port", "mqtt_port"}`.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import threading
from pathlib import Path

from werkzeug.serving import make_server

from local.iot_core.iot_core import IotCore


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m local.iot_core", description="AWS IoT Core for one machine")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the shadows")
    parser.add_argument("--ready", type=Path, required=True, help="file to write when the ports are open")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--http-port", type=int, default=0, help="0 takes any")
    parser.add_argument("--mqtt-port", type=int, default=0, help="0 takes any")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)

    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    core = IotCore(options.data)
    mqtt_port = core.start_mqtt(options.host, options.mqtt_port)
    server = make_server(options.host, options.http_port, core.wsgi_app, threaded=True)
    threading.Thread(target=server.serve_forever, name="iot-http", daemon=True).start()

    part = options.ready.with_name(options.ready.name + ".part")
    ready = {"pid": os.getpid(), "http_port": server.server_port, "mqtt_port": mqtt_port}
    part.write_text(json.dumps(ready))
    part.replace(options.ready)
    over.wait()
    server.shutdown()
    core.stop()


if __name__ == "__main__":
    main()
