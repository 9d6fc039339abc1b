"""The files that loops are kept in."""

from dataclasses import replace
from pathlib import Path

import pytest

from local.cameras.loops import (
    Encoded,
    Picture,
    Sound,
    UnreadableLoopError,
    from_json,
    loop_path,
    read_loop,
    to_json,
    write_loop,
)

_PICTURE = Picture("h264", 320, 240, 10, 10, 40, 100_000, 1)
_ENCODED = Encoded(((b"ab", b"c"), (b"", b"defg")), b"\x14\x08")


def test_a_written_loop_is_read_back(tmp_path: Path) -> None:
    """Units, parts and settings come back, and nothing but the file is left in the folder."""
    path = tmp_path / "new" / "x.loop"
    write_loop(path, _ENCODED)
    assert read_loop(path) == _ENCODED
    assert list(path.parent.iterdir()) == [path]


def test_every_damaged_loop_is_refused(tmp_path: Path) -> None:
    """An absent file, a file cut anywhere and a file with any byte changed are no loop."""
    path = tmp_path / "x.loop"
    with pytest.raises(UnreadableLoopError):
        read_loop(path)
    write_loop(path, _ENCODED)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(UnreadableLoopError):
            read_loop(path)
    for place in range(len(whole) - 7, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(UnreadableLoopError):
            read_loop(path)


def test_the_name_tells_parameters_apart() -> None:
    """Equal parameters have one file, and each other value has another."""
    cache = Path("cache")
    assert loop_path(cache, _PICTURE) == loop_path(cache, replace(_PICTURE))
    others: list[Picture | Sound] = [
        _PICTURE,
        replace(_PICTURE, codec="h265"),
        replace(_PICTURE, seed=2),
        replace(_PICTURE, still=True),
        replace(_PICTURE, bitrate=100_001),
        Sound("aac", 1),
        Sound("pcma", 1),
    ]
    assert len({loop_path(cache, other) for other in others}) == len(others)


def test_parameters_survive_the_command_line() -> None:
    """What a loop is comes back from its JSON, for pictures and sounds."""
    for loop in (_PICTURE, replace(_PICTURE, still=True), Sound("aac", 3)):
        assert from_json(to_json(loop)) == loop
