"""Writes down what a broken rule was tried with, so that its command can be repeated by hand, and what came of it."""

from __future__ import annotations

import re
from pathlib import Path

from airbyte_exec.conformance.cases import load_cases
from airbyte_exec.conformance.results import Report
from airbyte_exec.conformance.transcript import Transcript

_NAMES = ("config.json", "catalog.json", "state.json", "stdin.jsonl", "stdout.jsonl", "stderr")
_RUN = re.compile(r"[0-9]+-[a-z]+")


def keep(report: Report, folder: Path) -> None:
    """Write the input and the output of each run of a broken rule; from then on its command names the folder.

    The folder is its owner's alone: a config holds secrets.

    Parameters:
        folder: each run gets a folder in it, by the rule and the number of the run. What an earlier report kept there
            goes, and nothing else.

    Raises:
        OSError: it cannot be written.
    """
    for case in load_cases():
        _clear(folder / case.id)

    for result in report.results:
        if result.findings:
            for number, run in enumerate(result.runs, start=1):
                _keep(run, folder / result.case.id / f"{number}-{run.command}")


def _clear(folder: Path) -> None:
    """Remove the files that were kept of a rule, and its folders where nothing else is in them."""
    if not folder.is_dir() or folder.is_symlink():
        return

    for run in folder.iterdir():
        if _RUN.fullmatch(run.name) and run.is_dir() and not run.is_symlink():
            for name in _NAMES:
                (run / name).unlink(missing_ok=True)

            _remove_empty(run)

    _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()


def _keep(run: Transcript, folder: Path) -> None:
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.parent.chmod(0o700)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)  # behind the door above; the user of an image, where this is mounted, is another
    said = {"stdout.jsonl": b"".join(line.raw + b"\n" for line in run.lines), "stderr": "\n".join(run.stderr).encode()}
    for name, content in {**run.files, **said}.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o644)

    if run.folder is None:
        run.folder = folder.resolve()
