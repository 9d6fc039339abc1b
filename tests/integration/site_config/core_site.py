"""SiteConfig as a real core runs it: built, deployed from its recipe, its worker under its launcher, AWS beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.local_cloud import LocalCloud
from cli.up import provide_packages
from fleet import artifacts
from local.site import Layout, Site, deployment
from tests.integration.site_config.site import Operator

ROOT = Path(__file__).parents[3]
COMPONENTS = ("Runtime", "SiteConfig", "HealthMonitor")


class CoreSite:
    """An embedded AWS and a core with SiteConfig and HealthMonitor, on one data root."""

    def __init__(self, folder: Path, thing: str) -> None:
        self.data = folder / "data"
        self.thing = thing
        self._site = Site(Layout(self.data))
        built = artifacts.build(ROOT, folder / "build")
        provide_packages(self.data, built.packages)
        cloud = self._site.start_cloud(ROOT / "cloud" / "template.yaml")
        self.cloud = LocalCloud(cloud.addresses["endpoint_url"], cloud.addresses["resources"], thing)
        self.operator = Operator(self.cloud, thing)
        components = {
            name: {"version": version, "configurationUpdate": {"merge": {"dataRoot": str(self.data)}}}
            for name, version in built.components.items()
            if name.removeprefix(artifacts.PUBLISHER_PREFIX) in COMPONENTS
        }
        self._site.start_core(built.folder, deployment(thing, cloud, components), "lite", False)

    def stop(self) -> None:
        """Stop core and cloud."""
        self._site.stop()

    def document(self, name: str) -> Any:
        """The document in force; None when there is none."""
        path = self.data / "config" / f"{name}.json"
        return json.loads(path.read_text())["raw"] if path.exists() else None

    def worker(self, component: str = "SiteConfig") -> int:
        """The process of a component's worker; 0 when none runs."""
        path = self.data / "run" / f"{component}.json"
        return int(json.loads(path.read_text())["worker_pid"] or 0) if path.exists() else 0

    def log(self) -> str:
        """What SiteConfig has logged."""
        return "".join(path.read_text() for path in (self.data / "logs").glob("*SiteConfig*"))
