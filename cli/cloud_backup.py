"""Back the cloud side up: registry, shadows, items, the names of secrets, who hears of alerts.

    ./nvr cloud backup --to s3://another-accounts-bucket/edgenvr
    ./nvr cloud backup --to /var/backups/edgenvr --json

Not in it: footage and its index, which replication of the bucket and `./nvr cloud restore` bring back, and the values
of secrets, which are nobody's to export. docs/operations/disaster-recovery.md has the whole way.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cli.cloud_stack import add_account_arguments, open_account, told_errors
from cli.output import add_json_argument, format_size, print_json
from cloud.backup_account import Account
from cloud.backup_store import S3_SCHEME, BackupStore, BucketStore, FolderStore
from cloud.backup_take import take_backup
from components.shared.wire.units import WallNs, format_stamp

HELP = "write registry, shadows and items to a folder or bucket"


@dataclass(frozen=True, slots=True)
class CloudBackup:
    """The answer: where the backup is, and how much of what it holds."""

    name: str
    place: str
    files: int
    size_bytes: int
    counts: dict[str, int]


ANSWER = CloudBackup


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--to", required=True, metavar="PLACE", help="a folder, or s3://BUCKET/PREFIX")
    add_account_arguments(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Take a backup."""
    account = open_account(arguments)
    with told_errors():
        store = place_of(arguments.to, account)
        manifest = take_backup(account, store, format_stamp(WallNs(time.time_ns())), say)
    made = CloudBackup(
        manifest.name,
        store.describe(),
        len(manifest.files),
        sum(file.size_bytes for file in manifest.files),
        dict(manifest.counts),
    )
    if arguments.json:
        print_json(made)
    else:
        print(f"backup {made.name} in {made.place}: {made.files} files, {format_size(made.size_bytes)}")
    return 0


def place_of(text: str, account: Account) -> BackupStore:
    """Where backups lie, by what the user says."""
    return BucketStore(account.clients("s3"), text) if text.startswith(S3_SCHEME) else FolderStore(Path(text))


def say(text: str) -> None:
    """Progress, beside the answer."""
    print(text, file=sys.stderr, flush=True)
