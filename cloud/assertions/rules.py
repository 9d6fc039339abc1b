"""All rules, and the template held against them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.assertions import functions, messages, rights, storage, web
from cloud.assertions.rule import Finding, Rule
from cloud.assertions.template_world import worlds

RULES: tuple[Rule, ...] = (
    *storage.RULES,
    *messages.RULES,
    *functions.RULES,
    *rights.RULES,
    *web.RULES,
)


def check(template: Mapping[str, Any]) -> list[Finding]:
    """What is broken in an expanded template, in any of the worlds that its conditions make; each once, in order.

    TemplateUnreadableError when its conditions cannot be judged.
    """
    found = {
        Finding(resource, rule.name, problem, rule.asks)
        for world in worlds(template)
        for rule in RULES
        for resource, problem in rule.judge(world)
    }
    return sorted(found)
