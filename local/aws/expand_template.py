"""Expands an AWS SAM template into plain CloudFormation, as AWS does at deployment, and prints it as JSON.

A program of its own because the translator takes two seconds and 60 MB to load, which the stand-in pays once per
change of the template and never keeps.

    python -m local.aws.expand_template cloud/template.yaml

A function's folder cannot pass the translator (it wants the code in S3 already), so a local `CodeUri` travels through
it as the key of an object in the bucket `CODE_BUCKET`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

CODE_BUCKET = "local-folder"


def with_local_code(template: dict[str, Any]) -> dict[str, Any]:
    """The template with each local CodeUri as an address in `CODE_BUCKET`."""
    sections = [template.get("Globals", {}).get("Function", {})]
    sections.extend(
        resource.get("Properties", {})
        for resource in template.get("Resources", {}).values()
        if resource.get("Type") == "AWS::Serverless::Function"
    )
    for section in sections:
        folder = section.get("CodeUri")
        if isinstance(folder, str) and not folder.startswith("s3://"):
            section["CodeUri"] = f"s3://{CODE_BUCKET}/{folder}"
    return template


def expand(text: str, region: str) -> dict[str, Any]:
    """The CloudFormation that a SAM template stands for; managed policies are not known here and so are refused."""
    os.environ["AWS_DEFAULT_REGION"] = region  # the translator asks the environment for it
    from samtranslator.translator.transform import transform  # slow: only this program pays
    from samtranslator.yaml_helper import yaml_parse

    class NoManagedPolicies:
        def load(self) -> dict[str, str]:
            return {}

    expanded: dict[str, Any] = transform(with_local_code(yaml_parse(text)), {}, NoManagedPolicies())
    return expanded


def main(arguments: list[str]) -> int:
    """Prints the expansion of the template named first; region second."""
    path, region = arguments
    json.dump(expand(Path(path).read_text(encoding="utf-8"), region), sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
