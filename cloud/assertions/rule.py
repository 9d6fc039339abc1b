"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cloud.assertions.template_world import World

Weakness = tuple[str, str]
"""The resource that has it, by its name in the template, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A promise about the template: its name, what it asks (and so what to do where it is broken), how it is judged."""

    name: str
    asks: str
    judge: Callable[[World], Iterable[Weakness]]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A broken promise: which resource, which rule, what is wrong, what to do."""

    resource: str
    rule: str
    problem: str
    advice: str
