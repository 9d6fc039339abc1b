"""Start the stand-in cameras: `python -m local.cameras --spec FILE | --count N --cache DIR --ready FILE`.

It serves until SIGTERM or SIGINT, or, with --die-with-parent, until the process that started it is gone.
The file given by --ready appears, complete, when the cameras serve.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from local.cameras.library import EncoderFailedError
from local.cameras.server import HOST, CameraServer, Place
from local.cameras.spec import CameraSpec, InvalidSpecError, default_specs, parse_specs, read_private

_PARENT_LOOK_S = 0.5  # how soon an orphan notices; PR_SET_PDEATHSIG would fire when a mere thread of it ends


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.cameras", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--spec", type=Path, help="JSON list of cameras; mode 0600")
    which.add_argument("--count", type=int, help="that many default cameras: odd H.264, even H.265")
    parser.add_argument("--cache", type=Path, required=True, help="folder of encoded loops")
    parser.add_argument("--ready", type=Path, required=True, help="file to write when the cameras serve")
    parser.add_argument("--port", type=int, default=0, help="RTSP port; 0 lets the system choose")
    parser.add_argument("--sent-log", type=Path, help="folder for a JSON line per frame sent")
    parser.add_argument("--user", default="", help="user of the default cameras")
    parser.add_argument("--password-file", type=Path, help="their password; mode 0600")
    parser.add_argument(
        "--die-with-parent",
        type=int,
        nargs="?",
        const=os.getppid(),
        metavar="PID",
        help="stop when the parent (that process) is gone",
    )
    return parser


def _specs(options: argparse.Namespace) -> list[CameraSpec]:
    if options.spec is not None:
        return parse_specs(read_private(options.spec))
    if options.count < 1:
        raise InvalidSpecError("--count is below 1")
    if bool(options.user) != (options.password_file is not None):
        raise InvalidSpecError("--user and --password-file go together")
    password = read_private(options.password_file).strip() if options.password_file else ""
    return default_specs(options.count, options.user, password)


def ready_content(place: Place, specs: Sequence[CameraSpec], pid: int) -> dict[str, object]:
    """What the ready file tells: the ports, and each camera without its password."""
    cameras = {
        spec.id: {
            "url": f"rtsp://{HOST}:{place.port}/{spec.id}",
            "codec": spec.codec,
            "width": spec.width,
            "height": spec.height,
            "fps": spec.fps,
            "gop_frames": spec.gop_frames,
            "loop_frames": spec.loop_frames,
            "bitrate": spec.bitrate,
            "audio": spec.audio,
            "user": spec.user,
        }
        for spec in specs
    }
    return {"port": place.port, "control_port": place.control_port, "pid": pid, "cameras": cameras}


def _write_ready(path: Path, content: dict[str, object]) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
        json.dump(content, file, indent=1)
    Path(file.name).replace(path)


async def _parent_gone(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        await asyncio.sleep(_PARENT_LOOK_S)


async def _serve(options: argparse.Namespace, specs: Sequence[CameraSpec]) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    options.ready.unlink(missing_ok=True)  # one of an earlier run would tell dead ports
    if options.sent_log is not None:
        options.sent_log.mkdir(parents=True, exist_ok=True)
    server = CameraServer(specs, options.cache, options.sent_log)
    start = asyncio.create_task(server.start(options.port))
    ends: list[asyncio.Task[object]] = [asyncio.create_task(stopped.wait())]
    if options.die_with_parent is not None:
        ends.append(asyncio.create_task(_parent_gone(options.die_with_parent)))
    try:
        await asyncio.wait([start, *ends], return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            _write_ready(options.ready, ready_content(start.result(), specs, os.getpid()))
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.close()


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop; 2 when the cameras cannot be started as asked."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_serve(options, _specs(options)))
    except (InvalidSpecError, EncoderFailedError, OSError) as error:
        sys.stderr.write(f"cameras: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
