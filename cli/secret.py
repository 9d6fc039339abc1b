"""Secrets of a site: the user and password of a camera under a name, in a file that only the owner reads.

A camera's document names its secret. The password is asked for, or read from standard input; it is never an argument,
since everybody on the machine can read those.
"""

from __future__ import annotations

import argparse
import getpass
import sys

from cli.output import add_data_argument, add_json_argument, print_json
from components.shared.errors import Rejected
from components.shared.runtime.secrets import Secret, list_secrets, secret_path, write_secret

ANSWER = list[str]
HELP = "set or list the cameras' passwords"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="set|list")
    setting = actions.add_parser("set", help="set a secret; user and password are asked for")
    setting.add_argument("name", help="the name by which cameras refer to it: a-z, 0-9 and -")
    setting.add_argument("--stdin", action="store_true", help="read `user:password` from standard input")
    add_data_argument(setting)
    listing = actions.add_parser("list", help="the names of all secrets, never their values")
    add_data_argument(listing)
    add_json_argument(listing)


def run(arguments: argparse.Namespace) -> int:
    """Set or list."""
    if arguments.action == "list":
        names = list_secrets(arguments.data)
        if arguments.json:
            print_json(names)
        else:
            print("\n".join(names) or "No secrets are set: ./nvr secret set NAME")
        return 0
    secret_path(arguments.data, arguments.name)  # a bad name is refused before anything is asked
    text = sys.stdin.readline().rstrip("\r\n") if arguments.stdin else _asked()
    user, colon, password = text.partition(":")
    if not colon or not user or not password:
        raise Rejected(f"secret {arguments.name}: `user:password` was due, both parts filled")
    write_secret(arguments.data, arguments.name, Secret(text))
    print(f"secret {arguments.name} is set; cameras that name it use it at their next attempt")
    return 0


def _asked() -> str:
    if not sys.stdin.isatty():
        raise Rejected("nobody is there to ask: pipe `user:password` in with --stdin")
    user = input("user: ")
    return f"{user}:{getpass.getpass('password: ')}"
