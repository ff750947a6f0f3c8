"""`spec`, `check` and `write`, and what becomes of an error: nothing but messages leaves this process."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from airbyte_exec.connectors.destination_local.failure import DestinationFailure, wrong_config
from airbyte_exec.connectors.destination_local.messages import log, say, trace_error
from airbyte_exec.connectors.destination_local.settings import SPEC, Settings, read_settings

_STOPPED = {signal.SIGTERM: 143, signal.SIGINT: 130}


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code: 0 done, 1 failed, 2 wrong usage."""
    _stop_at_once_when_asked()
    try:
        return _run(arguments)
    except BrokenPipeError:
        return 1  # nobody reads what we say
    except DestinationFailure as error:
        cause = f"{type(error.__cause__).__name__}: {error.__cause__}" if error.__cause__ else None
        trace_error(error.said(), failure_type=error.failure_type, internal_message=cause)
    except Exception as error:  # noqa: BLE001 - the top level of the process: the protocol wants a TRACE
        trace_error(
            f"destination-local failed: {error}",
            failure_type="system_error",
            internal_message=f"{type(error).__name__}: {error}",
            stack_trace=traceback.format_exc(),
        )

    return 1


def _run(arguments: Sequence[str]) -> int:
    command, options = _parse(arguments)
    if command == "spec":
        say({"type": "SPEC", "spec": dict(SPEC)})
    elif command == "check":
        _check(options)
    else:
        _write(options)

    return 0


def _parse(arguments: Sequence[str]) -> tuple[str, dict[str, Path]]:
    import argparse

    parser = argparse.ArgumentParser(prog="destination-local", description="An Airbyte destination.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("spec")
    commands.add_parser("check").add_argument("--config", type=Path, required=True)
    write = commands.add_parser("write")
    write.add_argument("--config", type=Path, required=True)
    write.add_argument("--catalog", type=Path, required=True)
    found = vars(parser.parse_args(arguments))
    return found.pop("command"), found


def _settings(options: dict[str, Path]) -> Settings:
    import json

    try:
        config = json.loads(options["config"].read_bytes())
    except (OSError, ValueError) as error:
        raise wrong_config(f"The config cannot be read: {error}") from error

    return read_settings(config)


def _check(options: dict[str, Path]) -> None:
    from airbyte_exec.connectors.destination_local.storage import check

    status = {"status": "SUCCEEDED"}
    try:
        check(_settings(options))
    except DestinationFailure as error:
        status = {"status": "FAILED", "message": error.said()}

    say({"type": "CONNECTION_STATUS", "connectionStatus": status})


def _write(options: dict[str, Path]) -> None:
    from airbyte_exec.connectors.destination_local.catalog import read_catalog
    from airbyte_exec.connectors.destination_local.intake import Intake
    from airbyte_exec.connectors.destination_local.storage import store_of

    settings = _settings(options)
    streams = read_catalog(options["catalog"])
    store = store_of(settings)
    store.open(streams)
    log("INFO", f"Writing {len(streams)} streams to {settings.path} ({settings.format}).")
    intake = Intake(streams, store, flush_seconds=settings.flush_seconds)
    try:
        intake.run()
    finally:
        store.close()
        log("INFO", f"Stored {intake.rows.total()} records of {len(intake.rows)} streams.")


def _stop_at_once_when_asked() -> None:
    """End this process on SIGTERM and SIGINT, also while a long query runs: the disk is right at every moment.

    The handler runs before anything that a later end of stdin could do. It waits for the query of the main thread,
    however, and the thread does not.
    """

    def stop(number: int, _frame: object) -> NoReturn:
        os._exit(_STOPPED[signal.Signals(number)])

    for number in _STOPPED:
        signal.signal(number, stop)

    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    threading.Thread(target=lambda: stop(os.read(woken, 1)[0], None), daemon=True, name="stop").start()
