"""Recipes and their variables."""

import json
from typing import Any

import pytest

from local.nucleus.configuration import KeyPath, MissingKeyError
from local.nucleus.deployment import DeploymentError
from local.nucleus.interpolation import Variables, folder_variables, interpolate
from local.nucleus.json_value import Json
from local.nucleus.profile import CLASSIC, LITE, Profile
from local.nucleus.recipe import Recipe, parse_recipe
from local.nucleus.version_range import satisfies

YAML = """
RecipeFormatVersion: "2020-01-25"
ComponentName: com.example.A
ComponentVersion: 1.0.0
ComponentConfiguration:
  DefaultConfiguration: {number: 5, truth: true, none: null, nested: {list: [1, two]}}
ComponentDependencies:
  com.example.B: {VersionRequirement: ">=1.0.0 <2.0.0", DependencyType: SOFT}
  com.example.C: {VersionRequirement: "^1.0.0"}
Manifests:
  - Platform: {os: windows, runtime: "*"}
    Lifecycle: {run: no}
  - Platform: {os: linux, runtime: "*"}
    Lifecycle:
      Setenv: {A: "{iot:thingName}", B: 5}
      install: {Script: make, RequiresPrivilege: true, Timeout: 90, Setenv: {C: c}}
      run: exec program
    Artifacts:
      - {URI: "s3://bucket/com.example.A/1.0.0/program.zip", Unarchive: ZIP}
"""


def parse(text: str, profile: Profile = LITE, *, is_yaml: bool = True) -> Recipe:
    """Parse a recipe of com.example.A 1.0.0."""
    return parse_recipe(text, is_yaml=is_yaml, name="com.example.A", version="1.0.0", profile=profile)


def document(**changes: Any) -> str:
    """Return a small JSON recipe with changes."""
    manifest = {"Platform": {"os": "linux", "runtime": "*"}, "Lifecycle": {"run": {"Script": "true"}}}
    return json.dumps(
        {"ComponentName": "com.example.A", "ComponentVersion": "1.0.0", "Manifests": [manifest], **changes}
    )


def lifecycle(value: Any) -> str:
    """Return a small JSON recipe with this Lifecycle."""
    return document(Manifests=[{"Platform": {"os": "linux", "runtime": "*"}, "Lifecycle": value}])


def test_the_parts_of_a_recipe() -> None:
    """The first manifest that fits gives the steps; dependencies are HARD unless they say otherwise."""
    recipe = parse(YAML)
    install = recipe.steps["install"]
    assert (install.script, install.needs_privilege, install.timeout_s) == ("make", True, 90.0)
    assert install.environment == {"C": "c"}
    assert recipe.steps["run"].script == "exec program"
    assert recipe.environment == {"A": "{iot:thingName}", "B": "5"}
    assert {name: one.is_hard for name, one in recipe.dependencies.items()} == {
        "com.example.B": False,
        "com.example.C": True,
    }
    assert [(one.name, one.unarchive) for one in recipe.artifacts] == [("program.zip", "ZIP")]


def test_yaml_scalars_are_strings_on_lite_only() -> None:
    """Nucleus Lite makes strings of YAML scalars, the classic runtime keeps their types."""
    assert parse(YAML).defaults == {
        "number": "5",
        "truth": "true",
        "none": "null",
        "nested": {"list": ["1", "two"]},
    }
    assert parse(YAML, CLASSIC).defaults == {
        "number": 5,
        "truth": True,
        "none": None,
        "nested": {"list": [1, "two"]},
    }


def test_json_keeps_types_everywhere() -> None:
    """A JSON recipe gives numbers and booleans on both runtimes."""
    text = document(ComponentConfiguration={"DefaultConfiguration": {"number": 5, "truth": True}})
    for profile in (LITE, CLASSIC):
        assert parse(text, profile, is_yaml=False).defaults == {"number": 5, "truth": True}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[]", "no map"),
        ("{", "Expecting"),
        (document(ComponentName="other"), "ComponentName"),
        (document(ComponentVersion="2.0.0"), "ComponentVersion"),
        (document(Manifests=[]), "no manifest fits"),
        (document(Manifests=[{"Platform": {"os": "linux"}, "Lifecycle": {}}]), "no manifest fits"),
        (document(Manifests=[{"Platform": {"os": "linux", "runtime": "*", "architecture": "z80"}}]), "no manifest"),
        (document(Lifecycle={}), "outside of Manifests"),
        (lifecycle({"startup": "x"}), "startup"),
        (lifecycle({"Run": "x"}), "Run"),
        (lifecycle({"run": {"script": "x"}}), "run"),
        (lifecycle({"run": {"Script": "x", "Skipif": "onpath sh"}}), "Skipif"),
        (lifecycle({"install": {"Script": "x", "Timeout": "soon"}}), "Timeout"),
        (lifecycle({"Setenv": {"A": []}}), "Setenv: A"),
        (document(ComponentDependencies={"B": {"DependencyType": "WEAK"}}), "B"),
        (document(ComponentDescription="x" * 17_000), "bytes"),
    ],
)
def test_a_fault_in_a_recipe_is_named(text: str, named: str) -> None:
    """A recipe that this core would not carry out as a whole is refused with the component and the fault."""
    with pytest.raises(DeploymentError, match=rf"component com\.example\.A: recipe.*{named}"):
        parse(text, is_yaml=False)


def test_the_classic_runtime_needs_no_runtime_in_the_platform() -> None:
    """A manifest without a runtime fits the classic runtime, one for Nucleus Lite does not."""
    plain = document(Manifests=[{"Platform": {"os": "linux"}, "Lifecycle": {"run": "x"}}])
    assert parse(plain, CLASSIC, is_yaml=False).steps["run"].script == "x"
    for_lite = document(Manifests=[{"Platform": {"os": "linux", "runtime": "aws_nucleus_lite"}, "Lifecycle": {}}])
    assert parse(for_lite, LITE, is_yaml=False).steps == {}
    with pytest.raises(DeploymentError):
        parse(for_lite, CLASSIC, is_yaml=False)


def variables(profile: Profile) -> Variables:
    """Return the variables of com.example.A, which depends on com.example.B."""

    def read(component: str, path: KeyPath) -> Json:
        values: dict[tuple[str, KeyPath], Json] = {
            ("com.example.A", ("number",)): 5,
            ("com.example.A", ("map",)): {"b": 1, "a": [True]},
            ("com.example.B", ("text",)): "other",
        }
        if (component, path) not in values:
            raise MissingKeyError
        return values[component, path]

    def fixed(name: str) -> dict[str, str]:
        return folder_variables(profile, root="/r", thing_name="t", component=name, version="1.0.0")

    return Variables("com.example.A", fixed("com.example.A"), read, {"com.example.B": fixed("com.example.B")})


@pytest.mark.parametrize(
    ("text", "on_lite", "on_classic"),
    [
        (
            "{artifacts:path}x",
            "/r/packages/artifacts/com.example.A/1.0.0/x",
            "/r/packages/artifacts/com.example.A/1.0.0x",
        ),
        ("{work:path}", "/r/work/com.example.A/", "/r/work/com.example.A"),
        ("{kernel:rootPath} {iot:thingName}", "/r t", "/r t"),
        ("{configuration:/number}", "5", "5"),
        ("{configuration:/map}", '{"a":[true],"b":1}', '{"a":[true],"b":1}'),
        ("{configuration:/missing}", None, "{configuration:/missing}"),
        ("${HOME}", None, "${HOME}"),
        ("f() { true; }", None, "f() { true; }"),
        ("{com.example.B:work:path}", None, "/r/work/com.example.B"),
        ("{com.example.B:configuration:/text}", None, "other"),
        ("{com.example.C:work:path}", None, "{com.example.C:work:path}"),
        ("no variables", "no variables", "no variables"),
    ],
)
def test_variables(text: str, on_lite: str | None, on_classic: str) -> None:
    """Variables are replaced; an unknown one fails on Nucleus Lite and stays on the classic runtime."""
    assert interpolate(text, variables(CLASSIC), CLASSIC, "here") == on_classic
    if on_lite is None:
        with pytest.raises(DeploymentError, match="here"):
            interpolate(text, variables(LITE), LITE, "here")
    else:
        assert interpolate(text, variables(LITE), LITE, "here") == on_lite


def test_a_long_recipe_on_the_classic_runtime() -> None:
    """The classic runtime takes a recipe that is too long for Nucleus Lite."""
    recipe = parse(document(ComponentDescription="x" * 17_000), CLASSIC, is_yaml=False)
    assert recipe.steps["run"].script == "true"


def test_length_of_a_variable_on_lite() -> None:
    """What stands between braces has at most 256 bytes on Nucleus Lite."""
    long = "{" + "x" * 257 + "}"
    assert interpolate(long, variables(CLASSIC), CLASSIC, "here") == long
    with pytest.raises(DeploymentError, match="more than 256"):
        interpolate("{" + "x" * 257 + "}", variables(LITE), LITE, "here")


@pytest.mark.parametrize(
    ("version", "requirement", "fits"),
    [
        ("1.2.3", ">=1.0.0 <2.0.0", True),
        ("2.0.0", ">=1.0.0 <2.0.0", False),
        ("1.2.3", "*", True),
        ("1.2.3", "", True),
        ("1.2.3", "1.2.3", True),
        ("1.2.3", "=1.2.4", False),
        ("1.9.0", "^1.2.0", True),
        ("2.0.0", "^1.2.0", False),
        ("0.3.0", "^0.2.0", False),
        ("0.2.9", "^0.2.0", True),
        ("1.2.9", "~1.2.0", True),
        ("1.3.0", "~1.2.0", False),
        ("1.2.3", ">1.2", False),
        ("1.3.0", ">1.2", True),
        ("1.2.3", "<=1.2", True),
        ("3.0.0", "<1.0.0 || >=3.0.0", True),
        ("2.0.0", "<1.0.0 || >=3.0.0", False),
        ("1.2.3", "1.x", True),
    ],
)
def test_ranges_of_versions(version: str, requirement: str, *, fits: bool) -> None:
    """A version lies in a range or not."""
    assert satisfies(version, requirement) is fits


@pytest.mark.parametrize("requirement", ["latest", ">=a", "1.0.0 and more"])
def test_a_range_that_is_not_understood(requirement: str) -> None:
    """A range that is not understood raises, rather than to fit everything."""
    with pytest.raises(ValueError, match="no range"):
        satisfies("1.0.0", requirement)
