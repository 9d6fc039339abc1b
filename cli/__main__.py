"""The entry of `./nvr`: reads the command line, hands over to the command's module, turns failures into one clear line.

Exit codes: 0 done, 1 the answer is no (a check is red, a limit broken, footage missing), 2 the command could not be
carried out (bad arguments, nothing running, a file missing).
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from components.shared.errors import NvrError

GROUPS = {
    "run a site on this machine": ("up", "reset"),
    "look": (
        "status",
        "alerts",
        "forecast",
        "cameras",
        "segments",
        "coverage",
        "export",
        "logs",
        "catalogue",
        "doctor",
    ),
    "configure": ("config", "secret", "record", "bookmark", "sync"),
    "run the cloud side": ("cloud",),
    "develop": ("check", "test", "build", "bench", "lab", "pins", "docs", "new-component"),
}
"""All commands, in the order of the help. Each is `cli/<name>.py` (`-` as `_`) with `HELP`, `add_arguments`, `run`."""

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def module_of(command: str) -> str:
    """The module that carries a command out."""
    return "cli." + command.replace("-", "_")


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """The parser. Only the module of `command` is imported: `./nvr status` should not pay for `./nvr up`."""
    parser = argparse.ArgumentParser(
        prog="nvr",
        description="EdgeNVR: a network video recorder fleet on AWS IoT Greengrass.",
        epilog="`nvr COMMAND --help` explains each command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for names in GROUPS.values():
        for name in names:
            if command in (None, name):
                module = importlib.import_module(module_of(name))
                sub = commands.add_parser(name, help=module.HELP, description=module.__doc__)
                sub.formatter_class = argparse.RawDescriptionHelpFormatter
                module.add_arguments(sub)
                sub.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    known = {name for names in GROUPS.values() for name in names}
    command = argv[0] if argv and argv[0] in known else None
    parser = build_parser(command)
    if not argv:
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    arguments = parser.parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except NvrError as error:
        print(f"nvr {arguments.command}: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (`| head`) has gone: nothing is wrong, and nobody is there to be told. What is
        # still buffered goes nowhere, or Python would complain of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A file or folder that the user named, most of the time: its name says more than a traceback.
        print(f"nvr {arguments.command}: {error.filename or 'this machine'}: {error.strerror}", file=sys.stderr)
        return EXIT_USAGE
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
