"""What a line can be, as data: each case of `protocol/wire`, however its bytes are cut."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import airbyte_exec.protocol
from airbyte_exec.protocol.codec import MAX_LINE, LineDecoder, LineTooLongError
from airbyte_exec.protocol.envelope import Item, Malformed, Message, Noise, Records, State

PROTOCOL = Path(__file__).parents[2] / "protocol"
WIRE = PROTOCOL / "wire"
FILES = ("taken", "refused", "either")
CASES = [
    (file, json.loads(line))
    for file in FILES
    for line in (WIRE / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
]
NO_MESSAGE = {"text", "no-message", "unknown-type", "malformed", "too-long"}
every_case = pytest.mark.parametrize(
    "case", [case for _, case in CASES], ids=[f"{file}: {case['rule']}: {case['name']}"[:100] for file, case in CASES]
)


def output_of(case: dict[str, Any]) -> bytes:
    parts = [case["output"]] if isinstance(case["output"], str) else case["output"]
    return b"".join(bytes_of(part) for part in parts)


def bytes_of(part: Any) -> bytes:
    if isinstance(part, str):
        return part.encode()

    return bytes.fromhex(part["hex"]) if "hex" in part else part["text"].encode() * part["times"]


def decoded(output: bytes, size: int, max_line: int = MAX_LINE) -> list[Item | LineTooLongError]:
    decoder = LineDecoder(max_line=max_line)
    items: list[Item | LineTooLongError] = []
    try:
        for start in range(0, len(output), size):
            items += decoder.feed(output[start : start + size])

        items += decoder.end()
    except LineTooLongError as error:
        items.append(error)

    return items


def described(item: Item | LineTooLongError) -> list[dict[str, Any]]:
    """Say what an item is as the cases say it, with its rule where it has one."""
    match item:
        case Records():
            order = item.order or tuple(item.counts) * len(item)
            return [{"item": "record", "stream": s.name, "namespace": s.namespace} for s in order]
        case State():
            streams = [{"name": s.name, "namespace": s.namespace} for s, _ in item.streams]
            return [{"item": "state", "type": item.kind, "streams": streams}]
        case Message():
            trace = item.decode().trace
            return [{"item": "message", "type": item.type, "is_error": trace is not None and trace.type == "ERROR"}]
        case Noise():
            return [{"item": item.rule.removeprefix("line."), "type": item.type}]
        case Malformed():
            said = {"type": item.type, "stream": item.stream, "is_error": item.is_error, "rule": item.rule}
            return [{"item": "malformed", **said}]
        case LineTooLongError():
            return [{"item": "too-long", "line": item.line_no}]


@every_case
def test_a_line_is_what_the_case_says(case: dict[str, Any]) -> None:
    output = output_of(case)
    items = decoded(output, len(output), case.get("max_line", MAX_LINE))
    found = [said for item in items for said in described(item)]

    # A case says of an item what matters.
    assert [{**one, **wanted} for one, wanted in zip(found, case["items"], strict=True)] == found
    if case["rule"] != "line.trace-error":  # it holds of whatever the line is
        assert {said["rule"] for said in found if "rule" in said} <= {case["rule"]}


@every_case
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_line_is_the_same_however_the_pipe_cuts_it(case: dict[str, Any], size: int) -> None:
    output = output_of(case)
    size = max(size, len(output) // 2000)
    max_line = case.get("max_line", MAX_LINE)
    said = [
        [one for item in decoded(output, length, max_line) for one in described(item) if one["item"] != "record"]
        for length in (size, len(output))
    ]

    if case["items"] and case["items"][-1]["item"] == "too-long":
        said = [one[-1:] for one in said]  # what came before the line may have been given back, or not

    assert said[0] == said[1]


def test_the_cases_fit_their_schema() -> None:
    schema = json.loads((WIRE / "case.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    for _, case in CASES:
        jsonschema.validate(case, schema)


def test_each_file_holds_what_its_name_says() -> None:
    for file, case in CASES:
        refused = [said for said in case["items"] if said["item"] in NO_MESSAGE]
        if file == "taken":
            assert case["items"], case
            assert not refused, case
        elif file == "refused":
            assert refused or not case["items"], case


def test_every_rule_of_a_line_has_a_case_and_every_case_a_rule() -> None:
    readme = (PROTOCOL / "README.md").read_text(encoding="utf-8")
    section = readme.split("## What a line can be")[1].split("\n## ")[0]
    rules = set(re.findall(r"^\| `(line\.[a-z0-9-]+)` \|", section, re.MULTILINE))

    assert {case["rule"] for _, case in CASES} == rules
    assert len({(case["rule"], case["name"]) for _, case in CASES}) == len(CASES)


def test_every_rule_that_the_code_names_is_in_the_readme() -> None:
    readme = (PROTOCOL / "README.md").read_text(encoding="utf-8")
    package = Path(airbyte_exec.protocol.__path__[0])
    code = "".join(file.read_text(encoding="utf-8") for file in package.glob("*.py"))
    named = set(re.findall(r'"(line\.[a-z-]+)"', code))

    assert {"line.text", "line.malformed"} <= named
    assert {rule for rule in named if f"| `{rule}` |" not in readme} == set()
