"""One attempt of a sync in a process of its own, forked from one that has everything loaded; it tells how it went."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import logging
import os
import pickle
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from containers import PAIR, RETURNED
from faults import MAX_LINE
from mini import DESTINATION_MINI, SOURCE_MINI
from mishaps import let_fail
from plan import Fault, Plan

import airbyte_exec as ab
from airbyte_exec.destinations import Destination
from airbyte_exec.exceptions import AirbyteConnectorError, PyAirbyteError
from airbyte_exec.executors.docker import DockerExecutor, DockerOptions
from airbyte_exec.executors.docker.engine import find_engine
from airbyte_exec.executors.local import PathExecutor
from airbyte_exec.sources import Source

LONG = ab.TimeLimits(
    spec=30, check=30, discover=30, source_heartbeat=30, destination_write=30, destination_finish=30, exit=20,
    drain=0.4, acknowledge=0.3, stop=0.5,
)  # fmt: skip
SHORT = ab.TimeLimits(
    spec=30, check=30, discover=30, source_heartbeat=0.7, destination_write=0.7, destination_finish=0.7, exit=0.5,
    drain=0.2, acknowledge=0.2, stop=0.2,
)  # fmt: skip
"""Where only a limit ends what goes wrong."""

SHORT_OF_CONTAINERS = replace(SHORT, source_heartbeat=4, destination_write=4, destination_finish=4, exit=2)
"""The start of a container is within the first wait."""

THREAD_LIMIT = 5.0  # seconds in which a thread that is about to end has ended
_PR_SET_PDEATHSIG = 1

_SPEC = {
    "connectionSpecification": {
        "type": "object",
        "properties": {
            "api_key": {"type": "string", "airbyte_secret": True},
            "script": {"type": ["array", "object"]},
        },
    }
}


@dataclass(frozen=True)
class Order:
    """What one attempt is to do.

    Parameters:
        plan: the sync.
        folder: where everything of this plan lies.
        faults: what goes wrong at our own side.
        hangs: a fault is there that only a time limit ends.
        catalog: what the source discovers.
        source: its config.
        destination: its config.
        docker: how containers are made; None where there are none.
    """

    plan: Plan
    folder: Path
    faults: tuple[Fault, ...]
    hangs: bool
    catalog: dict[str, Any] | None
    source: dict[str, Any]
    destination: dict[str, Any]
    docker: dict[str, Any] | None = None


class _Known:
    """A scripted connector whose spec and catalog are known, which saves two processes."""

    catalog: dict[str, Any] | None = None

    def known_spec(self) -> dict[str, Any]:
        return _SPEC

    def known_catalog(self, config: Any) -> dict[str, Any] | None:
        del config
        return self.catalog


class _Local(_Known, PathExecutor):
    pass


class _Image(_Known, DockerExecutor):
    pass


def _executor(order: Order, side: str) -> Any:
    if side in order.plan.containers:
        assert order.docker is not None
        found: Any = _Image(f"{side}-mini", PAIR[side], options=DockerOptions(**order.docker))
    else:
        found = _Local(path=SOURCE_MINI if side == "source" else DESTINATION_MINI)

    found.catalog = order.catalog if side == "source" else None
    return found


def preload() -> None:
    """Load what attempts load, before they are forked: the list is that of an attempt, and what containers need."""
    import importlib

    from plan import Named, Round

    modes = ("full_refresh", "incremental")
    with tempfile.TemporaryDirectory() as name:
        for cached in (False, True):
            folder = Path(name) / str(cached)
            (folder / "temp").mkdir(parents=True)
            plan = Plan(0, "merge", cached, "STREAM", 1, 0, (Named("users", None, modes),), (Round(1),))
            report = folder / "report.json"
            if (pid := os.fork()) == 0:
                attempt(Order(plan, folder, (), False, None, {}, {}), report, list_modules=True)

            os.waitpid(pid, 0)
            for module in json.loads(report.read_text(encoding="utf-8"))["modules"]:
                with contextlib.suppress(ImportError):
                    importlib.import_module(module)


def attempt(order: Order, report: Path, *, list_modules: bool = False) -> NoReturn:
    """Run the attempt and write the report; never returns."""
    code = 1
    try:
        _move_in(order.folder)
        let_fail(order.faults)
        told = _measured(order)
        _write_report(report, {**told, "modules": list(sys.modules)} if list_modules else told)
        code = 0
    except BaseException as error:  # noqa: BLE001 - the top of a process
        _write_report(report, {"outcome": "broken", "text": f"{type(error).__name__}: {error}"})
    finally:
        sys.stderr.flush()
        os._exit(code)


def _write_report(path: Path, report: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(report), encoding="utf-8")
    part.replace(path)


def _move_in(folder: Path) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # one that comes too early, or too late, is no one's
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for name, value in (
        ("TMPDIR", "temp"),
        ("AIRBYTE_PROJECT_DIR", "project"),
        ("AIRBYTE_LOGGING_ROOT", "logs"),
        ("XDG_CACHE_HOME", "known"),
    ):
        os.environ[name] = str(folder / value)

    tempfile.tempdir = str(folder / "temp")
    os.chdir(folder)
    output = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    logging.basicConfig(level=logging.INFO, stream=sys.__stderr__)


def _measured(order: Order) -> dict[str, Any]:
    """Sync, and say what this process has more than before."""
    files, threads = _open_files(), threading.active_count()
    report = _run(order)
    (order.folder / RETURNED).touch()  # an engine that was stopped goes on: who waits for it still has a moment to end
    report["threads"] = _left_threads(threads)
    _hang_up(order)
    left = _open_files() - files
    report["left"] = [f"{number}: {name}" for number, name in sorted(left)]
    report["rows"] = _cache_rows(order) if order.plan.cached and report["outcome"] == "success" else None
    return report


def _hang_up(order: Order) -> None:
    """Close the connections that the SDK keeps, and those that were refused: it leaves these to the collector."""
    if order.docker is not None:
        if (sdk := find_engine(order.docker["engine"])._sdk) is not None:
            sdk.close()

        gc.collect()


def _open_files() -> set[tuple[str, str]]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.add((number, os.readlink(f"/proc/self/fd/{number}")))

    return {(number, name) for number, name in found if not name.startswith("/proc/")}


def _left_threads(before: int) -> list[str]:
    """Return the threads that are more than before; one that is about to end is given a moment."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(THREAD_LIMIT)

    return [thread.name for thread in threading.enumerate()][before:]


def _run(order: Order) -> dict[str, Any]:
    if not any(fault.what == "two_at_once" for fault in order.faults):
        return _outcome(order)

    reports: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: reports.append(_outcome(order))) for _ in range(2)]
    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()

    return max(reports, key=lambda report: ["error", "interrupted", "success", "broken"].index(report["outcome"]))


def _outcome(order: Order) -> dict[str, Any]:
    try:
        with _interruptible():
            result = _write(order)
    except PyAirbyteError as error:
        connector = error if isinstance(error, AirbyteConnectorError) else None
        return {
            "outcome": "error",
            "kind": type(error).__name__,
            "connector": connector.connector_name if connector else None,
            "exit_code": connector.exit_code if connector else None,
            "reason": (error.context or {}).get("reason"),
            "text": f"{error!s}\n{error!r}",
            "all_of_it": _all_of(error),
        }
    except KeyboardInterrupt:
        return {"outcome": "interrupted", "text": ""}
    except BaseException as error:  # noqa: BLE001 - whatever else it is, is a fault of ours that the report tells
        return {"outcome": "broken", "text": f"{type(error).__name__}: {error}"}

    return {"outcome": "success", "text": str(result.to_dict()), "warnings": list(result.warnings)}


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _all_of(error: BaseException) -> str:
    """Return whatever an error shows or keeps: its traceback with all causes and contexts, and its pickle."""
    shown = "".join(traceback.format_exception(error))
    return shown + pickle.dumps(error).decode("latin-1")


def _write(order: Order) -> Any:
    plan = order.plan
    source = Source(_executor(order, "source"), "source-mini", order.source)
    destination = Destination(_executor(order, "destination"), "destination-mini", order.destination)
    cache = ab.DuckDBCache(db_path=order.folder / "cache.duckdb") if plan.cached else None
    try:
        return destination.write(
            source,
            streams="*",
            cache=cache if cache is not None else False,
            write_strategy=plan.strategy,
            check=False,
            limits=_limits(order),
            max_line=256 << 20 if any(fault.what == "line_of_200_mib" for fault in order.faults) else MAX_LINE,
        )
    finally:
        if cache is not None:
            cache.close()


def _limits(order: Order) -> ab.TimeLimits:
    if not order.hangs:
        return LONG

    return SHORT_OF_CONTAINERS if order.plan.containers else SHORT


def _cache_rows(order: Order) -> dict[str, list[int]]:
    """Return the ids that each table of the cache holds."""
    import duckdb

    with duckdb.connect(str(order.folder / "cache.duckdb"), read_only=True) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.columns WHERE column_name = 'id' "
            "AND table_name NOT LIKE '\\_airbyte%' ESCAPE '\\'"
        ).fetchall()
        return {
            f"{schema}.{name}": [row[0] for row in connection.execute(f'SELECT id FROM "{schema}"."{name}"').fetchall()]
            for schema, name in tables
        }
