"""What is told of a site, as an item and back. Pure."""

from __future__ import annotations

import json
from typing import Any

from cloud.functions.watch_fleet.core import Watch
from cloud.site_items import WATCH, Item
from components.shared.wire.alert_notice import decode_notice, encode_notice


def watch_item(thing: str, watch: Watch, revision: int) -> dict[str, dict[str, Any]]:
    """What watch_fleet writes."""
    return {
        "pk": {"S": WATCH},
        "sk": {"S": thing},
        "revision": {"N": str(revision)},
        "standing": {"S": json.dumps(dict(watch.standing), separators=(",", ":"))},
        "raises_ms": {"S": json.dumps(watch.raises_ms, separators=(",", ":"))},
        "untold": {"L": [{"S": encode_notice(notice).decode()} for notice in watch.untold]},
    }


def watch_of(item: Item) -> Watch:
    """What watch_fleet wrote."""
    return Watch(
        standing=json.loads(item["standing"]["S"]),
        raises_ms=tuple(json.loads(item["raises_ms"]["S"])),
        untold=tuple(decode_notice(entry["S"].encode()) for entry in item["untold"]["L"]),
    )
