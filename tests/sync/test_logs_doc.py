"""What the operators' page about logs tells to configure is what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from components.shared.wire.trace import FIELD, TRACE_DIGITS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations" / "logs.md").read_text()


def blocks(kind: str) -> list[str]:
    """The code blocks of that kind, in order."""
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_every_component_that_logs_is_uploaded() -> None:
    """The log manager's map names each component of the suite that runs; Runtime says nothing."""
    names = {yaml.safe_load(path.read_text())["ComponentName"] for path in (ROOT / "recipes").glob("*.yaml")}
    configured = json.loads(blocks("json")[0])["logsUploaderConfiguration"]["componentLogsConfigurationMap"]
    assert set(configured) == names - {"com.edgenvr.Runtime", "com.edgenvr.Suite"}


def test_queries_find_traces_in_every_form() -> None:
    """The expression of the query takes a trace from our line, and from our line as text inside the nucleus's JSON."""
    trace = "0123456789abcdef" * 2
    line = json.dumps({"event": "segment_closed", FIELD: trace}, separators=(",", ":"))
    found = re.search(r"parse @message /(.*?)/\n", PAGE)
    assert found is not None
    expression = found[1].replace("(?<", "(?P<")
    for message in (line, json.dumps({"message": line}), f"2026 [INFO] (Copier) com.edgenvr.Capture: stdout. {line}."):
        told = re.search(expression, message)
        assert told is not None, message
        assert told["trace"] == trace
    assert f"{{{TRACE_DIGITS}}}" in expression
