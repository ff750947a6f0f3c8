"""The documentation is true: its Python runs, its commands exist and run, its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from airbyte_exec.version import get_version

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "protocol/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(
    r"^(?:<!-- test: (?P<note>.*?) -->\n+)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
RUN_TIMEOUT = 100
CONNECTORS = ROOT / ".venvs" / "connectors"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: what it holds and the line that it begins at."""

    page: Path
    language: str
    code: str
    line: int
    note: str

    @property
    def padded(self) -> str:
        """The code at its own line numbers, so that a traceback points into the page."""
        return "\n" * (self.line - 1) + self.code


def blocks(page: Path, language: str, *, note: str = "") -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []

    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start("code")) + 1
        found.append(Block(page, match["language"], match["code"], line, match["note"] or ""))

    return [block for block in found if block.language == language and block.note == note]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def with_blocks(language: str, note: str = "") -> list[object]:
    # A decision shows signatures, not examples.
    pages = [page for page in PAGES if page.parent.name != "decisions"]
    return [pytest.param(page, id=name(page)) for page in pages if blocks(page, language, note=note)]


def run_page(page: Path, folder: Path, note: str = "") -> None:
    """Run the Python blocks of a page in order, in one interpreter, as a reader would."""
    runner = folder / "run_page.py"
    runner.write_text(
        "import sys\n"
        "space = {'__name__': '__main__'}\n"
        "for path, code in " + repr([(str(b.page), b.padded) for b in blocks(page, "python", note=note)]) + ":\n"
        "    exec(compile(code, path, 'exec'), space)\n",
        encoding="utf-8",
    )
    run([sys.executable, str(runner)], folder)


def run(command: list[str], folder: Path, timeout: float = RUN_TIMEOUT) -> str:
    if not (folder / "examples").exists():
        (folder / "examples").symlink_to(ROOT / "examples")
        (folder / "source-mine").symlink_to(ROOT / "examples" / "source-orders")  # what a page calls the reader's own
        (folder / "config.json").write_text('{"orders": 100}', encoding="utf-8")

    # The commands of this environment, as in an activated venv. Nothing is kept outside of the folder but what is
    # installed from PyPI, which is the same for all pages.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    folders = {
        "AIRBYTE_PROJECT_DIR": folder,
        "AIRBYTE_LOGGING_ROOT": folder / "logs",
        "AIRBYTE_INSTALL_DIR": CONNECTORS,
    }
    env = {**os.environ, "PATH": path, "COLUMNS": "200", **{name: str(value) for name, value in folders.items()}}
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", with_blocks("python"))
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


@pytest.mark.real
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", with_blocks("python", "real"))
def test_the_python_of_a_page_runs_with_connectors_from_pypi(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path, note="real")


def commands(page: Path) -> list[str]:
    """Return the `airbyte-exec` commands of a page, each on one line."""
    text = "".join(block.code.replace("\\\n", " ") for note in ("", "real") for block in blocks(page, "sh", note=note))
    return [line.partition("  #")[0] for line in text.splitlines() if line.startswith("airbyte-exec ")]


@pytest.mark.parametrize("page", [page for page in with_blocks("sh") if commands(page.values[0])])  # type: ignore[attr-defined]
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    lines = [line for block in blocks(page, "sh") for line in block.code.replace("\\\n", " ").splitlines()]
    script = "\n".join(line for line in lines if line.startswith("airbyte-exec "))
    run(["bash", "-euo", "pipefail", "-c", script], tmp_path)


@pytest.mark.real
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", with_blocks("sh", "real"))
def test_the_commands_of_a_page_run_with_connectors_from_pypi(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "sh", note="real"):
        run(["bash", "-euo", "pipefail", "-c", block.code], tmp_path, timeout=500)


@cache
def help_text(*command: str) -> str:
    script = Path(sys.executable).with_name("airbyte-exec")
    env = {**os.environ, "COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}
    done = subprocess.run(
        [script, *command, "--help"], env=env, check=True, capture_output=True, encoding="utf-8", timeout=60
    )
    return done.stdout


COMMAND = re.compile(r"airbyte-exec ([a-z]+(?:\|[a-z]+)*)")


@pytest.mark.parametrize("page", [pytest.param(page, id=name(page)) for page in PAGES if commands(page)])
def test_a_command_on_a_page_has_the_options_that_the_page_gives_it(page: Path) -> None:
    for command in commands(page):
        words = command.split()
        subcommands = tuple(word for word in words[1:3] if word.isalpha())[: 2 if words[1] == "state" else 1]
        known = set(re.findall(r"--[a-z][a-z-]*", help_text(*subcommands)))
        assert set(re.findall(r"(?<= )--[a-z][a-z-]*", command)) <= known, command


def test_every_command_is_on_a_page() -> None:
    listed = set(re.findall(r"^\W*([a-z]+)\s{2,}\S", help_text().partition("Commands")[2], re.MULTILINE))
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = {command for match in COMMAND.finditer(text) for command in match[1].split("|")}
    assert listed
    assert listed <= named


def test_a_block_that_is_left_out_says_why() -> None:
    notes = [match["note"] for page in PAGES for match in FENCE.finditer(page.read_text(encoding="utf-8"))]
    assert {note for note in notes if note and note != "real" and not re.match(r"skip, \w.{8,}", note)} == set()


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [pytest.param(page, id=name(page)) for page in PAGES])
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    broken = []

    for target in (match["target"] for match in LINK.finditer(text)):
        path, _, anchor = target.partition("#")

        if re.match(r"[a-z]+:", target):
            continue

        there = (page.parent / path).resolve() if path else page

        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)

    assert broken == []


def test_the_index_of_the_docs_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {page for page in pages if f"({page})" not in index} == set()


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == get_version()
