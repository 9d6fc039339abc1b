"""Test a site: the box, the core and its components, every camera, and AWS. Each failure says what to do.

    ./nvr doctor                 everything
    ./nvr doctor --only cameras  only the cameras (box, site, cameras, aws)

Nothing is changed. A camera is tested as the recorder would use it: its address, its password, its first keyframe.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cli.doctor_aws import examine_aws
from cli.doctor_camera import examine_camera
from cli.doctor_secrets import examine_secrets
from cli.observe import core_status, is_running
from cli.output import add_data_argument, add_json_argument, print_json
from components.shared.catalogue.check import check
from components.shared.errors import NvrError
from components.shared.runtime.config import read_snapshot
from fleet.artifacts import PUBLISHER_PREFIX
from local.site import Layout

HELP = "test cameras, AWS and the box; each failure says what to do"

FREE_BYTES_MIN = 2_000_000_000
"""Less than that is minutes of footage on a large site."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tested. `advice` says what to do when it is not well."""

    what: str
    is_well: bool
    detail: str
    advice: str = ""


ANSWER = list[Finding]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--only", choices=tuple(EXAMINATIONS), help="test only this part")
    add_data_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Test and tell; 1 when something is not well."""
    findings = []
    for name, examine in EXAMINATIONS.items():
        if arguments.only not in (None, name):
            continue
        for finding in examine(arguments.data):
            findings.append(finding)
            if not arguments.json:
                _tell(finding)
    if arguments.json:
        print_json(findings)
    return 0 if all(finding.is_well for finding in findings) else 1


def _tell(finding: Finding) -> None:
    print(f"{'ok  ' if finding.is_well else 'FAIL'}  {finding.what}: {finding.detail}", flush=True)
    if not finding.is_well and finding.advice:
        print(f"      -> {finding.advice}", flush=True)


def _examine_box(data: Path) -> Iterator[Finding]:
    import psutil

    if not data.is_dir():
        yield Finding("data root", False, f"{data} does not exist", "start a site with `./nvr up`, or name --data")
        return
    free_bytes = psutil.disk_usage(str(data)).free
    yield Finding(
        "disk",
        free_bytes >= FREE_BYTES_MIN,
        f"{free_bytes / 1e9:.1f} GB are free",
        f"free some space: below {FREE_BYTES_MIN / 1e9:.0f} GB a few cameras fill the rest within the hour",
    )
    for what, problem, detail in examine_secrets(data):
        yield Finding(what, not problem, problem or detail, detail if problem else "")


def _examine_site(data: Path) -> Iterator[Finding]:
    layout = Layout(data)
    running = is_running(layout)
    detail = "runs" if running else "does not run"
    yield Finding("core", running, detail, "start the site with `./nvr up`; its log is `./nvr logs core`")
    for name, component in sorted(core_status(layout).get("components", {}).items() if running else ()):
        state = component["state"]
        is_well = state in {"RUNNING", "FINISHED"}
        short = name.removeprefix(PUBLISHER_PREFIX)
        yield Finding(
            short, is_well, f"is {state}", f"see why: `./nvr logs {short}`; a BROKEN one needs a new `./nvr up`"
        )
    if (data / "catalogue").is_dir():
        found = check(data)
        detail = f"{len(found)} disagreements" if found else "the catalogues and the files agree"
        yield Finding(
            "catalogue", not found, detail, "`./nvr catalogue check` names them; a restart of Capture repairs most"
        )


def _examine_cameras(data: Path) -> Iterator[Finding]:
    snapshot = read_snapshot(data)
    if snapshot is None or not (snapshot.cameras or snapshot.faults):
        advice = "`./nvr up` makes stand-in cameras; `./nvr config set camera-ID . '{...}'` adds one"
        yield Finding("cameras", False, "none is configured", advice)
        return
    for document, fault in snapshot.faults.items():
        yield Finding(document, False, fault, f"correct it: `./nvr config get {document}`")
    for camera, loaded in sorted(snapshot.cameras.items()):
        try:
            detail = examine_camera(data, camera, loaded.document.source)
        except NvrError as error:
            what, _, advice = str(error).partition(" -> ")
            yield Finding(camera, False, what, advice)
        else:
            yield Finding(camera, True, detail)


def _examine_aws(data: Path) -> Iterator[Finding]:
    for what, test in examine_aws(Layout(data)):
        try:
            detail = test()
        except NvrError as error:
            problem, _, advice = str(error).partition(" -> ")
            yield Finding(what, False, problem, advice)
        else:
            yield Finding(what, True, detail)


EXAMINATIONS: dict[str, Callable[[Path], Iterator[Finding]]] = {
    "box": _examine_box,
    "site": _examine_site,
    "cameras": _examine_cameras,
    "aws": _examine_aws,
}
