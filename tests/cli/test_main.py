"""The frame of the command line: help, usage errors, exit codes, and one JSON object where it is asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from airbyte_exec import exceptions as exc
from airbyte_exec.cli import _failure
from airbyte_exec.cli._main import make_parser
from airbyte_exec.version import get_version

OURS = "airbyte-exec itself is at fault: please report this, with what --debug prints."
LIGHT = "import sys\nfrom airbyte_exec.cli._main import make_parser\nmake_parser().format_help()\n"
HEAVY = {"anyio", "duckdb", "jsonschema", "msgspec", "orjson", "pydantic", "rich", "sqlalchemy", "typer", "yaml"}


def test_help_loads_no_heavy_library() -> None:
    program = f"{LIGHT}import json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, encoding="utf-8")
    assert {name.partition(".")[0] for name in json.loads(done.stdout)} & HEAVY == set()


def test_help_names_every_command() -> None:
    text = make_parser().format_help()
    for name in ("spec", "check", "discover", "read", "write", "sync", "state"):
        assert f"\n    {name} " in text


def test_the_version_is_the_package_s(cli: Any) -> None:
    assert cli.run("--version").text == f"airbyte-exec {get_version()}\n"


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["fly"],
        ["sync", "source-x"],
        ["sync", "source-x", "destination-local", "--strat", "merge"],
        ["sync", "source-x", "destination-local", "--strategy", "sideways"],
        ["sync", "source-x", "destination-local", "--state", "f", "--no-state"],
        ["sync", "source-x", "destination-local", "--state", "f", "--cache", "g"],
        ["sync", "source-x", "destination-local", "--time-limit", "stop"],
        ["sync", "source-x", "destination-local", "--time-limit", "stop=soon"],
        ["sync", "source-x", "destination-local", "--max-line", "0"],
        ["read", "source-x", "--raw", "--cache", "g"],
        ["read", "source-x", "--limit", "-1"],
        ["write", "destination-local"],
        ["state"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2_and_no_traceback(cli: Any, args: list[str]) -> None:
    done = cli.run(*args)
    assert (done.code, done.stdout) == (2, b"")
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["check", "source-x:y"], "There is no kind of connector"),
        (["check", "path:./nothing"], "./nothing"),
        (["check", "bundled:destination-x"], "destination-local"),
        (["check", "destination-local", "--config", "nothing.json"], "nothing.json cannot be read"),
        (["check", "destination-local", "--config", "[1]"], "must be an object"),
        (["check", "destination-local", "--config", "{"], "line 1, column 2"),
        (["check", "destination-local"], "'path' is missing"),
        (["check", "destination-local", "--time-limit", "chek=4"], "Did you mean 'check'?"),
        (["sync", "nothing.yaml"], "nothing.yaml cannot be read"),
        (["state", "show", "--state", "nothing"], "There is no file nothing"),
        (["read", "source-x", "--cache", "no/such/folder.duckdb"], "its folder is not there"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_another_command_line_would_mend_is_exit_code_2(cli: Any, args: list[str], said: str) -> None:
    done = cli.run(*args, "--json", env={"AIRBYTE_OFFLINE_MODE": "1"})
    assert said in done.stderr
    assert (done.code, done.json["status"], done.json["result"]) == (2, "failed", None)


@pytest.mark.parametrize(("args", "said"), [(["sync"], "SOURCE"), (["read", "source-x"], "--cache")])
def test_a_usage_error_is_one_json_object_too(cli: Any, args: list[str], said: str) -> None:
    done = cli.run(*args, "--json")
    assert done.code == 2
    assert said in done.json["error"]["message"]


def test_what_nobody_foresaw_is_our_fault_and_shows_no_traceback_unless_asked(cli: Any) -> None:
    broken = "import airbyte_exec.cli.check as check, sys\nfrom airbyte_exec.cli import main\n"
    broken += "check.read_config = lambda *_: 1 // 0\nsys.exit(main(sys.argv[1:]))"
    told = {}
    for more in ([], ["--debug"]):
        command = [sys.executable, "-c", broken, "check", "destination-local", *more]
        done = subprocess.run(command, env=cli.env, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 1
        told[bool(more)] = done.stderr

    assert "airbyte-exec itself is at fault" in told[False]
    assert "ZeroDivisionError" in told[False]
    assert ("Traceback" in told[False], "Traceback" in told[True]) == (False, True)


@pytest.mark.parametrize(
    ("error", "code", "headline"),
    [
        (exc.AirbyteConnectorReadError(connector_name="a"), 1, "The source a failed."),
        (exc.AirbyteConnectorWriteError(connector_name="b"), 1, "The destination b failed."),
        (exc.AirbyteConnectorCheckFailedError(connector_name="b"), 1, "The destination b failed."),
        (exc.AirbyteConnectorInstallationError(connector_name="b"), 1, "b could not be installed."),
        (exc.AirbyteConnectorValidationFailedError(connector_name="b"), 2, "This cannot be done as it was asked for."),
        (exc.AirbyteStreamNotFoundError(), 2, "This cannot be done as it was asked for."),
        (exc.PyAirbyteNoStreamsSelectedError(), 2, "This cannot be done as it was asked for."),
        (exc.PyAirbyteSecretNotFoundError(), 2, "This cannot be done as it was asked for."),
        (exc.PyAirbyteStateError(), 1, "The saved state cannot be used."),
        (exc.PyAirbyteCacheError(), 1, "The cache failed."),
        (OSError(28, "No space left on device"), 1, "This machine refused something."),
        (
            exc.PyAirbyteInternalError(),
            1,
            "airbyte-exec itself is at fault: please report this, with what --debug prints.",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_says_whose_fault_it_is(error: Exception, code: int, headline: str) -> None:
    assert _failure.exit_code(error) == code
    assert _failure.headline(error, {"a": "source", "b": "destination"}) == headline
    json.dumps(_failure.describe(error))
