"""What `--json` prints, held to docs/events.schema.json."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "events.schema.json").read_text())
# By their names below `$defs`.
OUTPUTS = [each["$ref"].removeprefix("#/$defs/") for each in SCHEMA["anyOf"]]


@functools.cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    """Of the output `name`."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    whole = {key: value for key, value in SCHEMA.items() if key != "anyOf"}
    return jsonschema.Draft202012Validator(whole | {"$ref": f"#/$defs/{name}"})


def checked(name: str, text: str) -> Any:
    """The one JSON value that `text` is, which must be as the schema has the output `name`."""
    value = json.loads(text)
    problems = [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(value)]
    assert not problems, f"{name}: {problems}\n{text}"
    return value
