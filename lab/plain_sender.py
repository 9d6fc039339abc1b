"""boto3's own way to upload files, to be compared with: `upload_file`, one file after the other.

python -m lab.plain_sender BUCKET FILE COUNT

sends FILE under COUNT keys once a line comes on its standard input, and says `ready` before and `done` behind it.
"""

from __future__ import annotations

import sys

import boto3


def main(bucket: str, file: str, count: str) -> int:
    """Waits, sends, waits until it may end: what it used is looked at meanwhile."""
    client = boto3.client("s3")
    client.head_bucket(Bucket=bucket)
    _say("ready")
    sys.stdin.readline()
    for number in range(int(count)):
        client.upload_file(file, bucket, f"plain/{number}.mp4")
    _say("done")
    sys.stdin.readline()
    return 0


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
