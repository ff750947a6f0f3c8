"""Secrets that a connector throws about, in every form and on every way out: none is seen, and all else still is."""

from __future__ import annotations

import base64
import io
import json
import logging
import pickle
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from mini import after_record, after_state, step
from syncs import SECRET, Lab

from airbyte_exec import exceptions as exc

CANARY = 'c4n@ry/of+the "mine"\\é-4711'
"""Characters that every encoding writes in its own way."""
ROTATED = "r0tated&canary=8822"

FORMS: dict[str, Any] = {
    "plain": lambda text: text,
    "url": lambda text: quote(text, safe=""),
    "url path": quote,
    "url in small letters": lambda text: re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), quote(text, safe="")),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 without padding": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "base64 of urls": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "basic auth": lambda text: base64.b64encode(b"me:" + text.encode() + b"!").decode(),
    "offset 1": lambda text: base64.b64encode(b"u" + text.encode() + b"xy").decode(),
    "offset 2": lambda text: base64.b64encode(b"uv" + text.encode() + b"x").decode(),
    "json": lambda text: json.dumps(text)[1:-1],
    "json in json": lambda text: json.dumps(json.dumps(text))[1:-1],
    "json in utf-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json as html wants it": lambda text: json.dumps(text)[1:-1].replace("/", "\\u002F").replace("+", "\\u002b"),
    "repr": lambda text: repr(text)[1:-1],
    "coloured": lambda text: text[:12] + "\x1b[31m" + text[12:],
}


def thrown(name: str) -> str:
    return FORMS[name](CANARY)


def core(text: str) -> str:
    """Return what would tell a secret: base64 is not the same at its ends where it is part of something longer."""
    return text[6:-6]


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What the library logs, at every level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("airbyte_exec")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(1)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


def everything(lab: Lab, error: BaseException | None, logged: io.StringIO, capfd: Any, *more: str) -> str:
    """Return all text that left the library, and all that lies in its folders."""
    texts = [logged.getvalue(), *capfd.readouterr(), *more]
    if error is not None:
        chain: list[BaseException] = []
        todo: list[BaseException | None] = [error]
        while todo:
            one = todo.pop()
            if one is not None and one not in chain:
                chain.append(one)
                todo += [one.__cause__, one.__context__, getattr(one, "original_exception", None)]

        texts += [text for one in chain for text in (repr(one), str(one), repr(one.args), repr(vars(one)))]
        texts.append("".join(traceback.format_exception(error)))
        pickled = pickle.dumps(error)
        texts.append(pickled.decode("utf-8", "replace"))
        texts.append(str(pickle.loads(pickled)))
        result = getattr(error, "result", None)
        texts.append("" if result is None else json.dumps(result.to_dict(), ensure_ascii=False))

    for folder in ("logs", "tmp", "project"):
        texts += [
            path.read_bytes().decode("utf-8", "replace") for path in (lab.folder / folder).rglob("*") if path.is_file()
        ]

    return "\n".join(texts)


def about(text: str) -> list[dict[str, Any]]:
    """Return steps that throw a text on every way out."""
    return [
        step("log", after_record(5), message=f"log before {text} log after", level="ERROR"),
        step("stderr", after_record(5), text=f"stderr before {text} stderr after\n"),
        step("noise", after_record(5), text=f"noise before {text} noise after"),
        step("unknown_type", after_record(5), type=f"TYPE {text}"),
        step("record", after_record(5), stream=f"stream {text}", data={"a": 1}),
        step(
            "trace_error",
            after_record(40),
            message=f"trace before {text} trace after",
            internal_message=f"internal before {text} internal after",
            stack_trace=f"stack {text}",
        ),
        step("exit", after_record(40), code=1),
    ]


SAID = ("log", "stderr", "noise", "trace", "internal")


@pytest.mark.parametrize("name", FORMS)
def test_a_secret_is_seen_nowhere_and_the_rest_of_each_message_is(
    lab: Lab, logged: io.StringIO, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    text = thrown(name)
    error = lab.failure(lab.source(script=about(text), api_key=CANARY))

    seen = everything(lab, error, logged, capfd)
    assert core(text) not in seen
    assert core(CANARY) not in seen
    assert CANARY[12:-6] not in seen
    assert [word for word in SAID if f"{word} before" not in seen or f"{word} after" not in seen] == []


@pytest.mark.parametrize("command", ["check", "discover"])
def test_a_secret_that_another_command_throws_is_masked(
    lab: Lab, logged: io.StringIO, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    script = [
        step("log", message=f"before {CANARY} after"),
        step("stderr", text=f"before {quote(CANARY)} after"),
        step("trace_error", message=f"before {CANARY} after"),
        step("exit", code=1),
    ]
    error = lab.failure(lab.source(script={command: script}, api_key=CANARY), check=True)

    seen = everything(lab, error, logged, capfd)
    assert core(CANARY) not in seen
    assert core(quote(CANARY)) not in seen
    assert seen.count("before ****") > 3


def test_what_a_check_says_is_masked(lab: Lab, logged: io.StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    source = lab.source(check={"status": "FAILED", "message": f"no user {CANARY} here"}, api_key=CANARY)
    error = lab.failure(source, check=True)

    seen = everything(lab, error, logged, capfd)
    assert core(CANARY) not in seen
    assert "no user **** here" in seen


def test_a_secret_that_a_control_message_brings_is_masked_from_then_on_on_both_sides(
    lab: Lab, logged: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = [
        step("control", after_record(5), merge={"api_key": ROTATED}),
        step("log", after_record(10), message=f"before {ROTATED} after"),
        step("wait_for", after_record(30), path=lab.folder / "echoed"),
    ]
    destination = lab.destination(
        script=[
            step("stderr", after_state(2), text=f"before {quote(ROTATED)} after\n"),
            step("mark", after_state(2), path=lab.folder / "echoed"),
            step("trace_error", after_state(2), message=f"row with {ROTATED} refused"),
            step("exit", after_state(2), code=1),
        ]
    )
    error = lab.failure(lab.source(script=steps, api_key=CANARY), destination)

    seen = everything(lab, error, logged, capfd)
    assert ROTATED not in seen
    assert quote(ROTATED) not in seen
    assert "row with **** refused" in seen


def test_a_destination_that_says_the_source_s_secret_is_masked(
    lab: Lab, logged: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    destination = lab.destination(script=[step("trace_error", after_state(1), message=f"x {CANARY} y")])
    error = lab.failure(lab.source(api_key=CANARY), destination)

    seen = everything(lab, error, logged, capfd)
    assert core(CANARY) not in seen
    assert "x **** y" in seen


def test_a_malformed_line_with_a_secret_is_masked_in_the_error_and_in_quarantine(
    lab: Lab, logged: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = json.dumps({"type": "RECORD", "record": {"stream": f"s {SECRET}", "data": [SECRET], "emitted_at": 1}})
    source = lab.source(script=[step("raw", after_record(5), text=broken + "\n")], api_key=SECRET)

    error = lab.failure(source)
    result = lab.write(source, on_malformed="quarantine")

    seen = everything(lab, error, logged, capfd, str(result), json.dumps(result.to_dict()))
    assert SECRET not in seen
    (file,) = result.quarantine_files
    assert b'"data": ["****"]' in file.read_bytes()


def test_a_secret_on_a_line_that_is_cut_is_not_seen_in_part(
    lab: Lab, logged: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    long = "x" * 1990 + CANARY + "y" * 3000
    deep = "x" * 49_990 + CANARY + "y" * 30_000
    steps = [
        step("stderr", after_record(5), text="z" * (1 << 17) + long + "\n"),
        step("stderr", after_record(5), text=long + "\n"),
        step("noise", after_record(5), text=long),
        step("trace_error", after_record(5), message=deep),
        step("exit", after_record(5), code=1),
    ]
    error = lab.failure(lab.source(script=steps, api_key=CANARY))

    assert CANARY[:5] not in everything(lab, error, logged, capfd)


def test_a_state_that_nobody_sent_is_shown_without_secrets_also_in_what_hangs_on_the_error(
    lab: Lab, logged: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    invented = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": {"k": SECRET}}}
    line = {"type": "STATE", "state": invented}
    destination = lab.destination(script=[step("message", after_state(1), message=line)], api_key=SECRET)

    error = lab.failure(destination=destination)

    seen = everything(lab, error, logged, capfd)
    assert SECRET not in seen
    assert "never sent to it" in seen


def test_escape_codes_of_a_connector_reach_no_log_and_no_error(
    lab: Lab, logged: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    evil = "a\x1b]0;owned\x07b\x1b[2Jc\rd\u202ee\x9bf"
    error = lab.failure(lab.source(script=about(evil)))

    shown = logged.getvalue() + str(error) + repr(error)
    assert [code for code in ("\x1b", "\x07", "\r", "\u202e", "\x9b") if code in shown] == []
    assert "log before abc" in shown


def test_an_error_of_a_wrong_config_tells_path_and_rule_and_no_value() -> None:
    from airbyte_exec._connector.config import resolve_config, validate_against

    schema = {
        "type": "object",
        "properties": {
            "auth": {
                "oneOf": [
                    {"properties": {"key": {"type": "string", "airbyte_secret": True, "pattern": "^[0-9]+$"}}},
                    {"properties": {"key": {"type": "integer"}}},
                ]
            },
            "list": {"type": "array", "items": {"$ref": "#/$defs/secret"}},
        },
        "additionalProperties": False,
        "$defs": {"secret": {"type": "string", "maxLength": 2, "airbyte_secret": True}},
    }
    config = {"auth": {"key": CANARY}, "list": [SECRET]}
    with pytest.raises(exc.AirbyteConnectorValidationFailedError) as caught:
        validate_against("source-x", schema, resolve_config(config, schema))

    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.__context__)
    assert core(CANARY) not in told
    assert SECRET not in told
    assert "config.auth" in told
    assert "config.list[0]" in told
    assert "'maxLength': 2" in told


def test_folders_and_files_of_a_run_are_the_user_s_alone(lab: Lab) -> None:
    lab.write(lab.source(script=[step("stderr", text="hello\n")], api_key=SECRET))

    modes = {path.stat().st_mode & 0o077 for path in [*(lab.folder / "logs").rglob("*"), *lab.state.rglob("*")]}
    assert modes == {0}
    assert list(Path(lab.folder / "tmp").glob("airbyte-exec-*")) == []
