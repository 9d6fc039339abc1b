"""Restore the cloud side from a backup, into an account with a fresh stack.

    ./nvr cloud restore --from s3://another-accounts-bucket/edgenvr --replica edgenvr-media-replica
    ./nvr cloud restore --from /var/backups/edgenvr --backup 20261121T100000.000Z --json

Every file is compared with the manifest first. Nothing that is there is replaced, so that it may be broken off and said
again. The index is made again from the bucket; all is read back. Exit code 1: something is not there that should be.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from cli.cloud_backup import place_of, say
from cli.cloud_stack import add_account_arguments, open_account, told_errors
from cli.output import add_json_argument, print_json
from cloud import backup_manifest
from cloud.backup_restore import Restored, restore
from cloud.backup_take import read_backup

HELP = "bring the cloud side back from a backup"


@dataclass(frozen=True, slots=True)
class CloudRestore:
    """The answer. `made` and `present` count by kind; `kept` was there and differs; the rest is as it says."""

    name: str
    ok: bool
    made: dict[str, int]
    present: dict[str, int]
    kept: list[str]
    faults: list[str]
    secrets_missing: list[str]
    objects: int
    bucket_minus_index: int
    index_minus_bucket: int


ANSWER = CloudRestore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--from", dest="place", required=True, metavar="PLACE", help="a folder, or s3://BUCKET/PREFIX, with backups"
    )
    parser.add_argument("--backup", metavar="NAME", help="which backup (default: the newest)")
    parser.add_argument("--replica", metavar="BUCKET", help="a bucket whose footage is copied into the media bucket")
    parser.add_argument(
        "--into-used", action="store_true", help="although the account is in use: what is there is kept, and told"
    )
    add_account_arguments(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Restore."""
    account = open_account(arguments)
    with told_errors():
        store = place_of(arguments.place, account)
        name = arguments.backup or backup_manifest.newest(store.names())
        manifest, files = read_backup(store, name)
        say(f"backup {name} of account {manifest.account}: its {len(files)} files are as they were written")
        done = restore(account, manifest, files, say, arguments.replica, arguments.into_used)
    made = answer_of(name, done)
    if arguments.json:
        print_json(made)
    else:
        _tell(made)
    return 0 if made.ok else 1


def answer_of(name: str, done: Restored) -> CloudRestore:
    """What came of a restore."""
    return CloudRestore(
        name,
        done.ok,
        done.made,
        done.present,
        done.kept,
        done.faults,
        done.secrets_missing,
        done.index.objects,
        done.index.missing,
        done.index.left_over,
    )


def _tell(made: CloudRestore) -> None:
    counted = ", ".join(f"{count} {kind}" for kind, count in made.made.items()) or "nothing"
    there = ", ".join(f"{count} {kind}" for kind, count in made.present.items())
    print(f"restored from {made.name}: {counted}" + (f"; there already: {there}" if there else ""))
    print(
        f"index and bucket: {made.objects} objects, {made.bucket_minus_index} without an item, "
        f"{made.index_minus_bucket} items too many"
    )
    for text in made.kept:
        print(f"kept: {text}")
    for text in made.faults:
        print(f"FAULT: {text}")
    if made.secrets_missing:
        print("to be set by hand, a backup holds no values:")
        for name in made.secrets_missing:
            print(f"  aws secretsmanager create-secret --name {name} --secret-string file:///dev/stdin")
