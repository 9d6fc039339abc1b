"""A secret as a value that does not print: logs are clean because of its type, not because somebody looked for it.

It is made where a secret comes in (a file, standard input, an answer of Secrets Manager) and opened where one leaves
(a digest, a file, libav); in between nobody holds a plain text. It is compared in constant time and written nowhere.
"""

from __future__ import annotations

import hmac

MASK = "***"


class Secret:
    """A text that prints as `***`, however it is made into text. Only `reveal` gives it away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: hand it on at once, keep it nowhere."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __format__(self, form: str) -> str:
        return format(MASK, form)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")
