"""The options that several commands share, and how they are read. Nothing here starts anything or looks at a file."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from airbyte_exec._connector.limits import TimeLimits

CONFIG_HELP = "its config: a JSON or YAML file, the JSON text itself ('{…}'), or - for stdin"
PYTHON_HELP = "the Python that it is installed with: a version such as 3.11, or a path"
CONNECTOR_HELP = "NAME, NAME==VERSION, pypi:PACKAGE, docker:IMAGE, path:FILE or bundled:NAME"
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class UsageError(Exception):
    """The command line is not one that we know.

    Parameters:
        message: what is wrong with it.
        usage: the usage of the command, ending in a newline.
    """

    def __init__(self, message: str, usage: str = "") -> None:
        super().__init__(message)
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """An argument parser that raises, and takes no half-written options."""

    def __init__(self, **how: Any) -> None:
        how.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**how, allow_abbrev=False)
        self.set_defaults(command_name=self.prog.partition(" ")[2])

    def error(self, message: str) -> NoReturn:
        """Raise what `ArgumentParser` would print."""
        raise UsageError(f"{message}\nSee: {self.prog} --help", self.format_usage())


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every command knows: how much is said, and in what form."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print one JSON object on stdout, also after a failure")
    group.add_argument("-q", "--quiet", action="store_true", help="say nothing but warnings and errors")
    group.add_argument("-v", "--verbose", action="count", default=0, help="show the logs of the connectors; -vv: more")
    group.add_argument("--debug", action="store_true", help="show everything, and where an error came from")


def add_connector(parser: argparse.ArgumentParser, what: str, *, config: bool = True) -> None:
    """Add a connector, its config and how it is installed.

    Parameters:
        what: `SOURCE`, `DESTINATION` or `CONNECTOR`.
        config: it has one.
    """
    parser.add_argument("connector", metavar=what, help=CONNECTOR_HELP)
    if config:
        parser.add_argument("--config", "-c", metavar="FILE", help=CONFIG_HELP)

    parser.add_argument("--python", metavar="PYTHON", help=PYTHON_HELP)


def add_streams(parser: argparse.ArgumentParser) -> None:
    """Add which streams, and what is known better than their source tells."""
    group = parser.add_argument_group("streams")
    group.add_argument("--streams", "-s", metavar="A,B", action="append", help="the streams; all by default")
    group.add_argument(
        "--cursor", metavar="STREAM=FIELD", action="append", default=[], help="the cursor of a stream; repeatable"
    )
    group.add_argument(
        "--primary-key",
        metavar="STREAM=A,B",
        action="append",
        default=[],
        help="the primary key of a stream; repeatable",
    )


def add_strategy(parser: argparse.ArgumentParser) -> None:
    """Add how rows meet those that are there."""
    parser.add_argument(
        "--strategy",
        choices=["auto", "append", "merge", "replace"],
        help="how rows meet those that are there; auto: merge by a primary key, else append by a cursor, else replace",
    )
    parser.add_argument(
        "--full-refresh", action="store_true", default=None, help="read everything again, without state"
    )


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add how connectors are run."""
    group = parser.add_argument_group("running")
    group.add_argument(
        "--on-malformed",
        choices=["fail", "quarantine", "warn"],
        help="what is done with a line that was meant as a message and is none: fail (the default), keep it in a file, "
        "or leave it out with a warning",
    )
    group.add_argument("--max-line", metavar="SIZE", type=size, help="the longest line that is taken: 256M by default")
    group.add_argument(
        "--pass-env", metavar="A,B", action="append", help="the only environment variables that connectors see"
    )
    group.add_argument(
        "--time-limit",
        metavar="NAME=TIME",
        action="append",
        default=[],
        help="a time limit, as 600, 10m or 3h; repeatable. NAME: spec, check, discover, source_heartbeat, "
        "destination_write, destination_finish, exit, drain, acknowledge, stop",
    )


def names_of(given: list[str] | None) -> list[str] | None:
    """Return the names of a repeatable `A,B` option; None where it was not given, or says `*`."""
    names = [name.strip() for text in given or [] for name in text.split(",") if name.strip()]
    return None if not names or "*" in names else names


def pairs_of(option: str, given: list[str], read: Callable[[str], Any] = str) -> dict[str, Any]:
    """Return the pairs of a repeatable `KEY=VALUE` option.

    Raises:
        UsageError: one of them is no pair.
    """
    pairs = {}
    for text in given:
        name, equals, value = text.rpartition("=")
        if not (equals and name.strip() and value.strip()):
            raise UsageError(f"argument {option}: {text!r} is not of the form NAME=VALUE")

        try:
            pairs[name.strip()] = read(value.strip())
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"argument {option}: {error}") from None

    return pairs


def primary_key(text: str) -> list[str]:
    """Return the fields of a primary key."""
    return [field.strip() for field in text.split(",")]


def seconds(text: str) -> float:
    """Return a time in seconds, of `600`, `10m` or `3h`."""
    number, unit = (text[:-1], _UNITS[text[-1]]) if text[-1:] in _UNITS else (text, 1.0)
    try:
        return float(number) * unit
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 600, 10m, 3h") from None


def whole_number(text: str) -> int:
    """Return a number from 0 on."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")

    return int(text)


def size(text: str) -> int:
    """Return a size in bytes, of `1000`, `64M` or `1G`."""
    number, unit = (text[:-1], _SIZES[text[-1].upper()]) if text[-1:].upper() in _SIZES else (text, 1)
    try:
        found = int(number) * unit
    except ValueError:
        found = 0

    if found <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: 1000, 64M, 1G")

    return found


def time_limits(given: Mapping[str, float]) -> TimeLimits:
    """Return the time limits with those that were given.

    Raises:
        PyAirbyteInputError: there is no limit of that name, or it is no number above 0.
    """
    from dataclasses import fields

    from airbyte_exec._connector.limits import TimeLimits
    from airbyte_exec.cli._near import unknown

    known = [item.name for item in fields(TimeLimits)]
    wrong = [name for name in given if name not in known]
    if wrong:
        raise unknown("time limit", wrong, known)

    return TimeLimits(**given)
