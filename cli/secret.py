"""Secrets of a site: the user and password of a camera under a name, in a file that only the owner reads.

A camera's document names its secret. The password is asked for, or read from standard input; it is never an argument,
since everybody on the machine can read those. What is set is kept encrypted where the box offers that (`./nvr doctor`
tells), and used at the next login: a camera that is recorded goes on with the one it has.
"""

from __future__ import annotations

import argparse
import getpass
import sys

from cli.output import add_data_argument, add_json_argument, print_json
from components.shared.errors import Rejected
from components.shared.runtime.secrets import Secret, keeping_at, list_secrets, remove_secret, secret_path, write_secret

ANSWER = list[str]
HELP = "set, list or remove the cameras' passwords"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="set|list|remove")
    setting = actions.add_parser("set", help="set a secret; user and password are asked for")
    setting.add_argument("name", help="the name by which cameras refer to it: a-z, 0-9 and -")
    setting.add_argument("--stdin", action="store_true", help="read `user:password` from standard input")
    add_data_argument(setting)
    listing = actions.add_parser("list", help="the names of all secrets, never their values")
    add_data_argument(listing)
    add_json_argument(listing)
    removing = actions.add_parser(
        "remove", help="forget a secret at this site; one in Secrets Manager is fetched again"
    )
    removing.add_argument("name", help="the secret's name")
    add_data_argument(removing)


def run(arguments: argparse.Namespace) -> int:
    """Set, list or remove."""
    if arguments.action == "list":
        names = list_secrets(arguments.data)
        if arguments.json:
            print_json(names)
        else:
            print("\n".join(names) or "No secrets are set: ./nvr secret set NAME")
        return 0
    if arguments.action == "remove":
        if not remove_secret(arguments.data, arguments.name):
            raise Rejected(f"there is no secret {arguments.name}; there are: {_told(list_secrets(arguments.data))}")
        print(f"secret {arguments.name} is removed; if it is in Secrets Manager, SiteConfig fetches it again")
        return 0
    secret_path(arguments.data, arguments.name)  # a bad name is refused before anything is asked
    secret = Secret(sys.stdin.readline().rstrip("\r\n")) if arguments.stdin else _asked()
    if not _is_login(secret):
        raise Rejected(f"secret {arguments.name}: `user:password` was due, both parts filled")
    keeping = keeping_at(arguments.data)
    write_secret(arguments.data, arguments.name, secret, keeping.seal)
    print(f"secret {arguments.name} is set; cameras that name it use it at their next attempt")
    print(f"it is kept {keeping.told}")
    return 0


def _told(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _is_login(secret: Secret) -> bool:
    user, _, password = secret.reveal().partition(":")
    return bool(user and password)


def _asked() -> Secret:
    if not sys.stdin.isatty():
        raise Rejected("nobody is there to ask: pipe `user:password` in with --stdin")
    user = input("user: ")
    return Secret(f"{user}:{getpass.getpass('password: ')}")
