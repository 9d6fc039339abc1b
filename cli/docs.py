"""Write the documents that are made from code: the tables of topics and metrics, the commands, the JSON schemas.

The tests in `tests/sync` compare them, so that what is documented is what there is.
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from types import ModuleType

from pydantic import TypeAdapter, ValidationError

from cli import bench, lab
from cli.__main__ import GROUPS, build_parser, module_of
from cli.cloud_cost_page import cost_page
from cli.document_schemas import document_schema
from cli.steps import ROOT
from components.shared.errors import Rejected
from components.shared.wire import metrics, topics
from components.shared.wire.codec import describe_faults
from components.shared.wire.site_config import CameraDocument, SiteDocument
from lab.reliability import reliability_page
from lab.show import ShowDocument

HELP = "write the documents that are made from code"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--reliability",
        type=Path,
        metavar="DIR",
        help="write docs/reliability.md too, from the answers (*.json) of `lab` and `bench` in DIR",
    )
    parser.epilog = (
        "Writes docs/topics.md, docs/metrics.md, docs/commands.md, docs/operations/cost.md and docs/schemas/."
    )


def run(arguments: argparse.Namespace) -> int:
    """Write them all; Rejected for a folder without answers of shows."""
    documents = rendered()
    if arguments.reliability is not None:
        shows = [*lab.SHOWS.values(), *bench.SHOWS.values()]
        documents["docs/reliability.md"] = reliability_page(read_told(arguments.reliability), shows)
    for path, text in documents.items():
        target = ROOT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        print(f"wrote {path}")
    return 0


def rendered() -> dict[str, str]:
    """Every made document by its path."""
    documents = {
        "docs/topics.md": topics_page(),
        "docs/metrics.md": metrics_page(),
        "docs/commands.md": commands_page(),
        "docs/operations/cost.md": cost_page(),
    }
    for name, schema in schemas().items():
        documents[f"docs/schemas/{name}.json"] = json.dumps(schema, indent=1) + "\n"
    return documents


def read_told(folder: Path) -> list[ShowDocument]:
    """The answers of shows in a folder, by file name; Rejected when one is none, or there is none."""
    told = []
    for path in sorted(folder.glob("*.json")):
        try:
            told.append(TypeAdapter(ShowDocument).validate_json(path.read_bytes()))
        except ValidationError as error:
            raise Rejected(f"{path} is no answer of `lab` or `bench`: {describe_faults(error)}") from error
    if not told:
        raise Rejected(f"{folder} holds no answers of `lab` or `bench` (*.json)")
    return told


def topics_page() -> str:
    """The table of topics for people."""
    lines = [
        "# Topics",
        "",
        "Made from `components/shared/wire/topics.py` by `./nvr docs`.",
        "",
        "All are hints on Greengrass local publish/subscribe, under `nvr/v1/`. Recipes grant exactly this.",
        "",
        "| topic | publisher | listeners | what it says | body |",
        "|---|---|---|---|---|",
    ]
    for topic in topics.TOPICS:
        publishers = "every component" if topic.publishers == topics.COMPONENTS else ", ".join(topic.publishers)
        fields = ", ".join(topic.body.model_fields)
        listeners = ", ".join(topic.subscribers)
        lines.append(f"| `{topic.noun_verb}` | {publishers} | {listeners} | {topic.purpose} | {fields} |")
    lines += [
        "",
        "To the cloud: HealthMonitor sends telemetry to `nvr/v1/<thing>/telemetry/reported`, and a row of each camera",
        "to `nvr/v1/<thing>/telemetry/detailed`; SiteConfig hears",
        "`$aws/things/<thing>/shadow/name/+/update/delta`.",
        "HealthMonitor sends alerts to `nvr/v1/<thing>/alert/raised` and `.../cleared`, and hears `.../acknowledged`.",
        "CloudSync hears requests for footage on `nvr/v1/<thing>/span/pull`, and answers on `.../span/pulled`.",
        "",
    ]
    return "\n".join(lines)


def metrics_page() -> str:
    """The table of metrics for people."""
    per_site = [metric for metric in metrics.METRICS if metric.cloud == "metric" and metric.made_by == "HealthMonitor"]
    lines = [
        "# Metrics",
        "",
        "Made from `components/shared/wire/metrics.py` by `./nvr docs`.",
        "",
        "Every figure has one name, in the Prometheus endpoint, in telemetry (without `edgenvr_`), in the metrics and",
        "log lines of the cloud, in dashboards, queries and rules. What it is measured in is its last word. How they",
        "get there: [telemetry](design/telemetry.md).",
        "",
        f"In the cloud, {len(per_site)} are metrics of CloudWatch (namespace `{metrics.NAMESPACE}`, dimension",
        f"`{metrics.SITE_DIMENSION}`); the others are fields of log lines, for Logs Insights.",
        "",
        "| name | kind | labels | in the cloud | made by | what it is |",
        "|---|---|---|---|---|---|",
    ]
    for metric in metrics.METRICS:
        labels = ", ".join(metric.labels) or "-"
        lines.append(
            f"| `{metric.name}` | {metric.kind} | {labels} | {_IN_CLOUD[metric.cloud]} | {metric.made_by} | "
            f"{metric.meaning} |"
        )
    return "\n".join([*lines, ""])


_IN_CLOUD = {"metric": "metric", "log": "log lines", "none": "no"}


def commands_page() -> str:
    """All commands with their help."""
    lines = [
        "# Commands",
        "",
        "Made from the commands themselves by `./nvr docs`. With `--json` a command prints what its schema in",
        "[schemas](schemas/) says. Exit codes: 0 done, 1 the answer is no, 2 it could not be carried out.",
        "",
    ]
    for purpose, names in GROUPS.items():
        lines += [f"## {purpose[0].upper()}{purpose[1:]}", ""]
        for name in names:
            module = importlib.import_module(module_of(name))
            answer = f" Its answer: [schemas/{name}.json](schemas/{name}.json)." if hasattr(module, "ANSWER") else ""
            help_text = _help_of(name)
            lines += [f"### nvr {name}", "", f"{module.HELP[0].upper()}{module.HELP[1:]}.{answer}", ""]
            lines += ["```", help_text.rstrip(), "```", ""]
            for action in getattr(module, "ACTIONS", ()):
                lines += _action_lines(name, action, module.action_module(action))
    return "\n".join(lines)


def _action_lines(name: str, action: str, module: ModuleType) -> list[str]:
    """An action that is a command of its own, such as `nvr cloud check`."""
    schema = f"{name}-{action}"
    answer = f" Its answer: [schemas/{schema}.json](schemas/{schema}.json)." if hasattr(module, "ANSWER") else ""
    title = [f"#### nvr {name} {action}", "", f"{module.HELP[0].upper()}{module.HELP[1:]}.{answer}", ""]
    return [*title, "```", _help_of(name, action).rstrip(), "```", ""]


def _help_of(*names: str) -> str:
    sub = build_parser(names[0])
    for name in names:
        (choices,) = [action for action in sub._actions if isinstance(action, argparse._SubParsersAction)]
        sub = choices.choices[name]
    sub.formatter_class = _PlainFormatter
    return sub.format_help()


class _PlainFormatter(argparse.RawDescriptionHelpFormatter):
    """Help of one width, whatever the terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


def schemas() -> dict[str, object]:
    """The JSON Schemas of all answers, and of the shadow documents."""
    found: dict[str, object] = {
        "shadow-site": document_schema(SiteDocument),
        "shadow-camera": document_schema(CameraDocument),
    }
    for names in GROUPS.values():
        for name in names:
            module = importlib.import_module(module_of(name))
            if hasattr(module, "ANSWER"):
                found[name] = TypeAdapter(module.ANSWER).json_schema()
            for action in getattr(module, "ACTIONS", ()):
                carries_out = module.action_module(action)
                if hasattr(carries_out, "ANSWER"):
                    found[f"{name}-{action}"] = TypeAdapter(carries_out.ANSWER).json_schema()
    return found
