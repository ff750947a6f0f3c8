"""The page on the command line tells every command and every option, and none that is not there."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from airbyte_exec.cli._main import make_parser
from airbyte_exec.cli._pipeline import SCHEMA_FILE

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")


def parsers(
    parser: argparse.ArgumentParser, name: str = "airbyte-exec"
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield every command with its parser."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, inner in action.choices.items():
                yield from parsers(inner, f"{name} {word}")


def options() -> set[str]:
    return {
        text for _, parser in parsers(make_parser()) for action in parser._actions for text in action.option_strings
    }


def test_every_command_is_on_the_page() -> None:
    names = {name.removeprefix("airbyte-exec ") for name, _ in parsers(make_parser())} - {"airbyte-exec"}
    assert len(names) > 10
    assert {name for name in names if f"`{name}" not in PAGE and f"`airbyte-exec {name}`" not in PAGE} == set()


def test_every_option_is_on_the_page() -> None:
    missing = {text for text in options() if not re.search(rf"(?<![\w-]){re.escape(text)}(?![\w-])", PAGE)}
    assert missing - {"-h"} == set()


def test_the_page_tells_no_option_that_is_not_there() -> None:
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) - options() == set()


def test_the_pipeline_on_the_page_is_the_example_that_is_run() -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    example = (ROOT / "examples" / "pipeline.yaml").read_text(encoding="utf-8")
    assert shown == "".join(line for line in example.splitlines(keepends=True) if not line.startswith("#"))
    assert set(yaml.safe_load(shown)) >= {"source", "destination"}


def test_every_key_of_a_pipeline_is_on_the_page() -> None:
    schema = yaml.safe_load(SCHEMA_FILE.read_text(encoding="utf-8"))
    assert {key for key in schema["properties"] if f"`{key}`" not in PAGE} == set()


def test_every_option_says_what_it_means() -> None:
    silent = [
        (name, action.option_strings)
        for name, parser in parsers(make_parser())
        for action in parser._actions
        if action.option_strings and not action.help
    ]
    assert silent == []
