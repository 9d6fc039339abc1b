"""The list of cameras."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from local.cameras.spec import (
    CameraSpec,
    InvalidSpecError,
    default_specs,
    faults_of,
    parse_specs,
    read_private,
    to_json,
)


def test_a_written_list_is_read_back() -> None:
    """What `to_json` writes, `parse_specs` reads as the same cameras."""
    specs = default_specs(4, "viewer", "secret")
    assert parse_specs(to_json(specs)) == specs


def test_default_cameras_need_two_encodes() -> None:
    """Odd cameras are H.264 and even ones H.265, all with one picture each; two of four have sound."""
    specs = default_specs(4)
    assert [spec.codec for spec in specs] == ["h264", "h265", "h264", "h265"]
    assert [spec.audio for spec in specs] == ["aac", "none", "none", "aac"]
    assert {(spec.width, spec.height, spec.fps, spec.seed) for spec in specs} == {(1280, 720, 15, 1)}


def test_all_faults_are_told_together() -> None:
    """Every wrong value, type and name of every camera is in one message."""
    text = json.dumps(
        [
            {"id": "CAM 1", "codec": "vp9", "width": 1281, "fps": 0},
            {"id": "cam-2", "height": "720", "colour": "red", "one_write_per_frame": 1},
            {"codec": "h264"},
            "cam-4",
        ]
    )
    with pytest.raises(InvalidSpecError) as caught:
        parse_specs(text)
    message = str(caught.value)
    for part in (
        "id 'CAM 1'",
        "codec 'vp9'",
        "width 1281",
        "fps 0",
        "height is '720', not of type int",
        "unknown key 'colour'",
        "one_write_per_frame is 1, not of type bool",
        "camera number 3: no id",
        "camera number 4: not an object",
    ):
        assert part in message


@pytest.mark.parametrize("text", ["", "{}", "[]", "3"])
def test_anything_but_a_list_of_cameras_is_refused(text: str) -> None:
    """No JSON, no list and an empty list are refused."""
    with pytest.raises(InvalidSpecError, match="the list of cameras is not"):
        parse_specs(text)


def test_two_cameras_of_one_id_are_refused() -> None:
    """An id names one camera."""
    with pytest.raises(InvalidSpecError, match="there are two of that id"):
        parse_specs('[{"id": "cam-1"}, {"id": "cam-1"}]')


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({"width": 256}, 0),
        ({"width": 254}, 1),
        ({"width": 4096}, 0),
        ({"width": 4098}, 1),
        ({"height": 64}, 0),
        ({"height": 62}, 1),
        ({"fps": 60}, 0),
        ({"fps": 61}, 1),
        ({"bitrate": 10_000}, 0),
        ({"bitrate": 9_999}, 1),
        ({"session_timeout_s": 1}, 0),
        ({"session_timeout_s": 0}, 1),
        ({"loop_s": 272.0}, 0),
        ({"loop_s": 274.0}, 1),
        ({"password": "x"}, 1),
        ({"user": "u", "password": "x"}, 0),
        ({"id": "a" * 32}, 0),
        ({"id": "a" * 33}, 1),
    ],
)
def test_limits_hold_on_both_sides(change: dict[str, object], count: int) -> None:
    """The last allowed value is taken and the next refused."""
    spec = replace(CameraSpec("cam-1"), **change)  # type: ignore[arg-type]
    assert len(faults_of(spec)) == count


def test_a_loop_is_whole_gops() -> None:
    """Whatever length is asked for, the loop ends where a keyframe is due."""
    spec = CameraSpec("cam-1", fps=15, gop_s=1.5, loop_s=4.0)
    assert spec.gop_frames == 22
    assert spec.loop_frames == 66
    assert CameraSpec("cam-1", fps=10, gop_s=0.01, loop_s=0.01).loop_frames == 1


def test_a_password_does_not_show() -> None:
    """Printing a camera does not print its password."""
    assert "s3cret" not in repr(CameraSpec("cam-1", user="u", password="s3cret"))


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """A spec is read only when nobody but the owner may read it."""
    path = tmp_path / "spec.json"
    path.write_text("[]", encoding="utf-8")
    path.chmod(0o640)
    with pytest.raises(InvalidSpecError, match="mode 0640"):
        read_private(path)
    path.chmod(0o600)
    assert read_private(path) == "[]"
    with pytest.raises(InvalidSpecError, match="cannot be read: No such file"):
        read_private(path.with_name("absent"))
    assert os.access(path, os.R_OK)


def test_distances_of_keyframes_can_vary() -> None:
    """A camera that saves space has GOPs from the least to the greatest length, a loop of whole ones."""
    spec = CameraSpec("cam-1", fps=10, gop_s=1.0, gop_s_max=8.0, loop_s=20.0)
    assert spec.gops == (10, 80, 45, 10, 62)
    assert spec.loop_frames == 207
    assert CameraSpec("cam-1", fps=10, gop_s=1.0, loop_s=3.0).gops == (10, 10, 10)


@pytest.mark.parametrize(
    ("habits", "reason"),
    [
        ({"open_gop": True}, "open_gop without bframes"),
        ({"bframes": 4}, "bframes 4 is not from 0 to 3"),
        ({"gop_s_max": 1.0}, "gop_s_max 1.0 is not above gop_s"),
        ({"bframes": 1, "open_gop": True, "gop_s_max": 4.0}, "open_gop with keyframe distances that vary"),
        ({"sound_only": True}, "sound_only without audio"),
        ({"transports": "sctp"}, "transports 'sctp' is not one of 'both', 'tcp', 'udp'"),
        ({"sets_in": "", "timestamps": "late"}, "sets_in ''"),
        ({"redirects": "host"}, "redirects 'host'"),
        ({"claimed_fps": 61}, "claimed_fps 61"),
        ({"wraps_after_s": -1.0}, "wraps_after_s -1.0 is negative"),
        ({"nonce_s": -1.0}, "nonce_s -1.0 is negative"),
    ],
)
def test_habits_that_cannot_be(habits: dict[str, object], reason: str) -> None:
    """Values outside their range, and habits that contradict each other, are faults."""
    spec = CameraSpec("cam-1", **habits)  # type: ignore[arg-type]
    assert any(reason in fault for fault in faults_of(spec))
