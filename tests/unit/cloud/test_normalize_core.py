"""Where foreign uploads belong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloud.functions.normalize_object.core import Upload, is_canonical, is_whole_copy, plan, site_of, was_moved
from components.shared.errors import Rejected
from components.shared.wire.units import parse_stamp

ETAG = "0123456789abcdef0123456789abcdef"
AMCREST = "drop/site-1/cam-1/2025-10-20/001/dav/14/14.03.00-14.06.00[M][0@0][0].mp4"


def upload(key: str, **metadata: str) -> Upload:
    return Upload(key, ETAG, 100, metadata)


def test_an_amcrest_recording_is_placed_by_its_time_in_the_sites_zone() -> None:
    """Local times of the name are read in the site's zone; span, zone, trigger and source go with the object."""
    move = plan(upload(AMCREST), "Europe/Berlin")
    assert move.key(0) == "sites/site-1/cameras/cam-1/2025/10/20/12/cam-1_20251020T120300.000Z.mp4"
    assert move.metadata == {
        "nvr-start-ns": str(parse_stamp("20251020T120300.000Z")),
        "nvr-end-ns": str(parse_stamp("20251020T120600.000Z")),
        "nvr-time-zone": "Europe/Berlin",
        "nvr-trigger": "motion",
        "nvr-channel": "1",
        "nvr-source": AMCREST,
        "nvr-source-etag": ETAG,
    }


def test_without_a_zone_utc_is_assumed_and_said() -> None:
    """A site without a time zone is read in UTC, and the object says that this was assumed."""
    move = plan(upload(AMCREST), None)
    assert move.key(0) == "sites/site-1/cameras/cam-1/2025/10/20/14/cam-1_20251020T140300.000Z.mp4"
    assert (move.metadata["nvr-time-zone"], move.metadata["nvr-time-zone-flags"]) == ("UTC", "assumed")


def test_an_hour_that_comes_twice_is_said() -> None:
    """A time in the hour that daylight saving repeats is flagged."""
    key = "drop/site-1/cam-1/2025-10-26/001/dav/02/02.30.00-02.31.00[M][0@0][0].mp4"
    assert plan(upload(key), "Europe/Berlin").metadata["nvr-time-zone-flags"] == "ambiguous"


def test_a_snapshot_is_a_picture() -> None:
    """A .jpg of a camera's FTP folder becomes a picture of its second."""
    move = plan(upload("drop/site-1/cam-1/2025-10-20/001/jpg/14/03/05[M][0@0][0].jpg"), "UTC")
    assert move.key(0) == "sites/site-1/cameras/cam-1/2025/10/20/14/cam-1_20251020T140305.000Z.jpg"


@pytest.mark.parametrize(
    "path",
    ["cam-1_20251020T140300.250Z.mp4", "a/b/cam-1_20251020T140300.250Z.mp4", "cam-1~sub_20251020T140300.250Z.mp4"],
)
def test_names_of_our_own_are_placed_without_a_zone(path: str) -> None:
    """A file that our recorder named goes to the key of its name; its own metadata stay."""
    move = plan(upload(f"drop/site-1/cam-1/{path}", **{"nvr-run": "7"}), None)
    stem = "cam-1~sub" if "~sub" in path else "cam-1"
    assert move.key(0) == f"sites/site-1/cameras/{stem}/2025/10/20/14/{stem}_20251020T140300.250Z.mp4"
    assert move.metadata == {"nvr-run": "7", "nvr-source": f"drop/site-1/cam-1/{path}", "nvr-source-etag": ETAG}


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("drop/site-1/cam-1/holiday.mp4", "holiday.mp4"),
        ("drop/site-1/cam-1/2025-13-20/001/dav/14/14.03.00-14.06.00[M][0@0][0].mp4", "2025-13-20"),
        ("drop/site-1/cam-1/2025-10-20/001/dav/14/14.03.00-14.06.00[M][0@0][0].dav", "not MP4"),
        ("drop/site-1/CAM 1/2025-10-20/001/dav/14/14.03.00-14.06.00[M].mp4", "CAM 1"),
        ("drop/site-1/cam-1/cam-2_20251020T140300.250Z.mp4", "cam-2"),
        ("drop/site-1/x.mp4", "drop/SITE/CAMERA/PATH"),
    ],
)
def test_what_is_not_understood_is_rejected_by_name(key: str, told: str) -> None:
    """A name of no known form, or for another camera, is Rejected with what is wrong in the message."""
    with pytest.raises(Rejected, match=told):
        plan(upload(key), None)


def test_an_unknown_zone_is_not_guessed() -> None:
    """A site whose zone does not exist is an error that names both, not UTC in silence."""
    with pytest.raises(Rejected, match=r"site-1.*Mars/Olympus"):
        plan(upload(AMCREST), "Mars/Olympus")


def test_uploads_of_the_same_second_get_keys_of_their_own() -> None:
    """Each slot is a millisecond later than the one before."""
    move = plan(upload(AMCREST), None)
    assert move.key(1).endswith("cam-1_20251020T140300.001Z.mp4")
    assert len({move.key(slot) for slot in range(100)}) == 100


def test_a_move_is_recognised_when_it_is_tried_again() -> None:
    """An object with the source and ETag of an upload in its metadata is that upload; a new upload there is not."""
    move = plan(upload(AMCREST), None)
    assert was_moved(upload(AMCREST), move.metadata)
    assert not was_moved(replace(upload(AMCREST), etag="f" * 32), move.metadata)
    assert not was_moved(upload(AMCREST.replace("14.03", "14.02")), move.metadata)


@pytest.mark.parametrize(
    ("source", "copy", "size", "whole"),
    [
        (ETAG, ETAG, 100, True),
        (ETAG, "f" * 32, 100, False),
        (ETAG, ETAG, 99, False),
        (f"{ETAG}-3", "f" * 32, 100, True),
    ],
)
def test_the_source_goes_only_when_the_copy_is_whole(source: str, copy: str, size: int, whole: bool) -> None:
    """Size and, where it can be compared, the hash of the copy must be those of the source."""
    moved = replace(upload(AMCREST), etag=source)
    assert is_whole_copy(moved, copy, size, plan(moved, None).metadata) is whole


def test_a_long_or_foreign_source_fits_into_metadata() -> None:
    """The source's key is ASCII in the metadata, and told by its hash when it is too long for S3's limit."""
    move = plan(upload(f"drop/site-1/cam-1/Übung/{AMCREST.split('/', 3)[3]}"), None)
    assert move.metadata["nvr-source"].isascii()
    long = f"drop/site-1/cam-1/{'x' * 900}/{AMCREST.split('/', 3)[3]}"
    assert plan(upload(long), None).metadata["nvr-source"].startswith("sha256:")


def test_metadata_above_the_limit_are_rejected_before_anything_is_done() -> None:
    """An upload whose own metadata leave no room for ours is Rejected, with the sizes."""
    with pytest.raises(Rejected, match="S3 takes 2048"):
        plan(upload(AMCREST, filler="x" * 2_000), None)


def test_what_is_canonical_is_left_alone() -> None:
    """A canonical key is recognised, a drop key is not."""
    assert is_canonical("sites/site-1/cameras/cam-1/2025/10/20/14/cam-1_20251020T140300.000Z.mp4")
    assert not is_canonical(AMCREST)
    assert site_of(AMCREST) == "site-1"
