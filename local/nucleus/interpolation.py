"""Recipe variables in scripts and environment values.

Pure: text and a way to look values up in, text out. `{artifacts:path}` and its kind stand for folders and
names, `{configuration:/pointer}` for a value of the component's own configuration, and on the classic
runtime `{Component:namespace:key}` for one of a direct dependency. On Nucleus Lite every brace is read as
a variable: a shell's `${NAME}` fails there, and so it does here.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local.nucleus.configuration import KeyPath, MissingKeyError, pointer_path
from local.nucleus.deployment import DeploymentError
from local.nucleus.json_value import Json
from local.nucleus.profile import Profile

_VARIABLE = re.compile(r"\{([^{}]*)\}")
_ANY_BRACE = re.compile(r"\{([^}]*)(\}?)")

ReadConfiguration = Callable[[str, KeyPath], Json]  # raises MissingKeyError


@dataclass(frozen=True)
class Variables:
    """What the variables of one component stand for."""

    component: str
    fixed: Mapping[str, str]  # "artifacts:path" and so on
    read_configuration: ReadConfiguration
    dependencies: Mapping[str, Mapping[str, str]]  # the fixed ones of each direct dependency


def folder_variables(profile: Profile, *, root: str, thing_name: str, component: str, version: str) -> dict[str, str]:
    """Return the variables with a fixed value for one component."""
    end = "/" if profile.path_ends_with_slash else ""
    return {
        "artifacts:path": f"{root}/packages/artifacts/{component}/{version}{end}",
        "artifacts:decompressedPath": f"{root}/packages/artifacts-unarchived/{component}/{version}{end}",
        "work:path": f"{root}/work/{component}{end}",
        "kernel:rootPath": root,
        "iot:thingName": thing_name,
    }


def interpolate(text: str, variables: Variables, profile: Profile, where: str) -> str:
    """Return a text with its variables replaced; DeploymentError, with `where`, for a refused one."""

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        limit = profile.variable_bytes_max
        if limit is not None and len(name.encode()) > limit:
            raise DeploymentError(f"{where}: a variable of more than {limit} bytes: {name[:40]}...")
        value = _value(name, variables, profile)
        if value is None and profile.refuses_braces:
            told = f"{where}: {match[0]!r} is no recipe variable with a value; Nucleus Lite refuses the script"
            raise DeploymentError(told)
        return match[0] if value is None else value

    return (_ANY_BRACE if profile.refuses_braces else _VARIABLE).sub(replace, text)


def _value(name: str, variables: Variables, profile: Profile) -> str | None:
    if name in variables.fixed:
        return variables.fixed[name]
    if name.startswith("configuration:"):
        return _configured(variables, variables.component, name.removeprefix("configuration:"))
    component, _, rest = name.partition(":")
    if profile.refuses_braces or component not in variables.dependencies:
        return None
    if rest.startswith("configuration:"):
        return _configured(variables, component, rest.removeprefix("configuration:"))
    return variables.dependencies[component].get(rest)


def _configured(variables: Variables, component: str, pointer: str) -> str | None:
    try:
        value = variables.read_configuration(component, pointer_path(pointer))
    except MissingKeyError:
        return None
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
