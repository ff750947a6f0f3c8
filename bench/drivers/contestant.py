"""This package or PyAirbyte, by the same calls: `python -m bench.drivers.contestant MODULE CASE DATA SMALL WORK`.

MODULE is `airbyte_exec` or `airbyte`. That one text drives both keeps the comparison fair, and shows that the
calls of PyAirbyte's documentation work here.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.drivers.measured import measure

Call = Callable[[], dict[str, Any]]


class Contestant:
    """The connectors of one run; each method prepares a case and returns the call that is measured."""

    def __init__(self, module: str, data: Path, work: Path) -> None:
        self.package: Any = importlib.import_module(module)
        self.data = data
        self.work = work
        self.source = self._source("source-bench")
        sink = data / "destination-bench"
        self.destination = self.package.get_destination("destination-bench", config={}, local_executable=sink)

    def _source(self, executable: str) -> Any:
        path = self.data / executable
        return self.package.get_source("source-bench", config={}, local_executable=path, streams="*")

    def _cache(self) -> Any:
        return self.package.new_local_cache("bench", cache_dir=self.work / "cache", cleanup=False)

    def straight(self) -> Call:
        """Stream from child to child, without state."""
        return lambda: said(self.destination.write(self.source, cache=False, state_cache=False))

    start = straight

    def straight_state(self) -> Call:
        """Stream from child to child, with the default state."""
        return lambda: said(self.destination.write(self.source, cache=False))

    def read(self) -> Call:
        """Read into a new DuckDB cache."""
        cache = self._cache()
        return lambda: said(self.source.read(cache))

    def read_half(self) -> Call:
        """Read from a source that stops at half-way; somebody kills us there."""
        cache = self._cache()
        source = self._source("source-half")
        return lambda: said(source.read(cache))

    def cached(self) -> Call:
        """Write through a new cache, which is the default way."""
        cache = self._cache()
        return lambda: said(self.destination.write(self.source, cache=cache))

    def replay(self) -> Call:
        """Write what was read before; only the writing is measured."""
        result = self.source.read(self._cache())
        return lambda: said(self.destination.write(result))


def said(result: Any) -> dict[str, Any]:
    """Return the counts that a result tells; PyAirbyte's tells no states."""
    states = getattr(getattr(result, "summary", result), "states_committed", None)
    return {"records": result.processed_records, **({} if states is None else {"states": states})}


def prepare(module: str, case: str, data: Path, work: Path) -> Call:
    """Return the call of a case."""
    call: Call = getattr(Contestant(module, data, work), case.replace("-", "_"))()
    return call


if __name__ == "__main__":
    module_name, case_name, data_folder, small_folder, work_folder = sys.argv[1:]

    # The same with a few records first: modules that are loaded late are no part of a throughput.
    if case_name not in ("start", "read-half"):
        prepare(module_name, case_name, Path(small_folder), Path(work_folder) / "small")()

    measure(prepare(module_name, case_name, Path(data_folder), Path(work_folder)))
