"""Whether a cursor into a catalogue still means what it did when it was written down.

A catalogue that was lost and rebuilt from the files counts from one again. A cursor of the old count would pass over
its first rows for good: they would never be uploaded. Starting again costs only time, known keys stay as they are.
"""

from __future__ import annotations


def must_start_again(cursor: int, last_sequence: int | None, next_sequence: int | None, is_known: bool) -> bool:
    """Whether to sweep from the beginning.

    `last_sequence` is the number the catalogue gave last, None when it does not tell. `next_sequence` is the number of
    its first row at the cursor or after it, None when there is none; `is_known`, whether that row is queued already.
    """
    if cursor == 0:
        return False
    if next_sequence is None:
        return last_sequence is None or last_sequence < cursor
    return next_sequence == cursor and not is_known
