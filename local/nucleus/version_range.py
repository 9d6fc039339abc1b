"""Does a version satisfy what a recipe requires of a dependency?

Pure. Understands what recipes use: comparisons joined by spaces, a caret, a tilde, alternatives joined by
"||", and "*". Builds and pre-releases are not told apart from their release.
"""

import re

_TERM = re.compile(r"(>=|<=|>|<|=|\^|~)?\s*v?(\d+)(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?[^\s|]*")

Release = tuple[int, int, int]


def satisfies(version: str, requirement: str) -> bool:
    """Tell whether a version lies in a range; ValueError for a range that is not understood."""
    wanted = _release(version)
    return any(all(low <= wanted < high for low, high in _terms(part)) for part in requirement.split("||") or [""])


def _release(version: str) -> Release:
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if numbers is None:
        raise ValueError(f"no version: {version!r}")
    return int(numbers[1]), int(numbers[2]), int(numbers[3])


def _terms(part: str) -> list[tuple[Release, Release]]:
    text = part.strip()
    if text in ("", "*"):
        return []
    matches = list(_TERM.finditer(text))
    if "".join(match[0] for match in matches).replace(" ", "") != text.replace(" ", ""):
        raise ValueError(f"no range of versions: {part!r}")
    return [_bounds(match) for match in matches]


def _bounds(match: re.Match[str]) -> tuple[Release, Release]:
    given = [int(number) for number in match.groups()[1:] if number is not None and number.isdigit()]
    exact = (*given, 0, 0)[:3]
    low: Release = (exact[0], exact[1], exact[2])
    following: Release = _next(low, len(given))
    lowest, endless = (0, 0, 0), (2**31, 0, 0)
    significant = next((index + 1 for index, number in enumerate(low) if number), len(given))
    bounds: dict[str | None, tuple[Release, Release]] = {
        ">=": (low, endless),
        ">": (following, endless),
        "<": (lowest, low),
        "<=": (lowest, following),
        "^": (low, _next(low, significant)),
        "~": (low, _next(low, min(2, len(given)))),
    }
    return bounds.get(match[1], (low, following))


def _next(release: Release, places: int) -> Release:
    """Return the first release after all those that begin with the same `places` numbers."""
    major, minor, patch = release
    return ((major + 1, 0, 0), (major, minor + 1, 0), (major, minor, patch + 1))[max(1, places) - 1]
