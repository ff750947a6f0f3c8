"""Turns figures into Markdown tables. The aims stand beside the figures; nothing fails here."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from bench.cases import OURS, THEIRS, Case
from bench.images import LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench.images import Start, Throughput

ABOUT = """# Benchmarks

Made by `make bench`: {records} records of about 250 bytes, a STATE every 10,000; the source is `cat`, the sink
drains and echoes the states. {cpus} CPUs, {system}, Python {python}; PyAirbyte is `{theirs}` from PyPI in a
venv of its own. The contestants take turns in one run of the bench, each measurement is a process of its own,
and each figure is the median of {repeat}. RSS is the peak of the measured process, without its children. On a
machine that is busy with other things, the CPU seconds are the robust figure. The limit is what the machine
does without either: the shell's pipe, or DuckDB's own `read_json` into the same typed table.
"""

Figures = dict[str, dict[str, Any]]


def throughput(rows: Iterable[tuple[Case, int, Figures]]) -> str:
    """Return the table of the cases that move records."""
    head = "case | who | wall s | records/s | CPU s | RSS MB | states | times PyAirbyte | by CPU | asked | limits"
    lines: list[Sequence[str]] = []

    for case, records, found in rows:
        for who, run in found.items():
            times = found[THEIRS]["wall_s"] / run["wall_s"] if who == OURS and THEIRS in found else None
            less = found[THEIRS]["cpu_s"] / run["cpu_s"] if times else None
            slower = run["wall_s"] / found["limit"]["wall_s"] if who != "limit" and "limit" in found else None
            lines.append(
                (
                    f"{case.title} ({records:,})" if who == OURS else "",
                    f"limit: {case.limit}" if who == "limit" else who,
                    f"{run['wall_s']:.2f}",
                    f"{records / run['wall_s']:,.0f}",
                    "" if who == "limit" else f"{run['cpu_s']:.2f}",
                    "" if who == "limit" else f"{run['rss_mb']:.0f}",
                    f"{run['states']:.0f}" if "states" in run else "",
                    f"**{times:.1f}**" if times else "",
                    f"{less:.1f}" if less else "",
                    _asked(case) if who == OURS else "",
                    f"{slower:.1f}" if slower else "",
                )
            )

    return "## Throughput\n\n" + _table(head.split(" | "), lines)


def _asked(case: Case) -> str:
    parts = [f"at least {case.at_least:g}"] if case.at_least else []
    parts += [f"aim {case.aim:g}"] if case.aim else []
    return ", ".join(parts) or ("RSS under 80 MB" if case.name == "straight-long" else "")


def imports(seconds: Mapping[tuple[str, str], float]) -> str:
    """Return the table of the import times."""
    titles = {
        "import": "import of the factories, more than a bare interpreter",
        "start": "a process that imports, and moves 10 records straight",
    }
    lines = [
        (titles[what], who, f"{found:.3f}", "under 0.25" if (what, who) == ("import", OURS) else "")
        for (what, who), found in sorted(seconds.items())
    ]
    return "## Start\n\n" + _table(("what", "who", "seconds", "asked"), lines)


def installs(counts: dict[str, int]) -> str:
    """Return the table of the packages in a fresh install."""
    lines = [(who, str(count), "under 45" if who == OURS else "") for who, count in counts.items()]
    return "## Fresh install without extras\n\n" + _table(("who", "packages", "asked"), lines)


def checkpoints(found: dict[str, dict[str, Any]]) -> str:
    """Return what a kill at half-way left in the cache file."""
    lines = [
        (who, f"{left['rows']:,}", f"`{left['state']}`" if left["state"] else "none") for who, left in found.items()
    ]
    text = "## A read that is killed (SIGKILL) at half-way\n\nWhat its cache file holds afterwards:\n\n"
    return text + _table(("who", "rows", "state"), lines)


def images(rates: Mapping[str, Throughput], starts: Mapping[str, Start], call_seconds: float) -> str:
    """Return the tables of the connectors that are images."""
    text = "## Images\n\n"
    if rates:
        text += (
            "A source in a container into a plain sink: `write(source, cache=False, state_cache=False)`, "
            f"and `{LIMIT} --log-driver none … read | sink`. "
            "Of equal runs the best counts; the rate is that of the records beyond the first ten.\n\n"
        )
        text += _table(("who", "records", "wall s", "start s", "records/s", "", "asked"), _rates(rates)) + "\n"

    if starts:
        text += (
            "A sync of two images whose specs are known, by a process of its own. One more call of an image costs "
            f"{call_seconds:.2f} s here (`{LIMIT} --rm IMAGE spec`).\n\n"
        )
        lines = [
            (who, f"{one.first:.2f}", f"{one.whole:.2f}", str(one.containers), _calls(one))
            for who, one in starts.items()
        ]
        text += _table(("who", "s until the first record arrives", "s in all", "containers", "calls, and when"), lines)
        text += _repeated(starts, call_seconds)

    return text


def _calls(start: Start) -> str:
    return ", ".join(f"{call} {at:.2f}" for call, at in start.calls)


def _repeated(starts: Mapping[str, Start], call_seconds: float) -> str:
    """Say what each asks more often than the other, and what that costs; the rest is before the first call."""
    if OURS not in starts or THEIRS not in starts:
        return ""

    text = ""
    for who, other in ((OURS, THEIRS), (THEIRS, OURS)):
        one = starts[who]
        more = Counter(call for call, _ in one.calls) - Counter(call for call, _ in starts[other].calls)
        named = ", ".join(f"{number} x {call}" for call, number in sorted(more.items())) or "nothing"
        text += f"\n{who} asks more: {named} ({more.total() * call_seconds:.2f} s one after the other); "
        text += (
            f"it takes {one.calls[0][1]:.2f} s to its first call and {one.first - one.calls[0][1]:.2f} s from there.\n"
        )

    return text


def _rates(rates: Mapping[str, Throughput]) -> Iterable[Sequence[str]]:
    for who, one in rates.items():
        told, asked = "", ""
        if who == OURS:
            parts = {"times PyAirbyte": rates.get(THEIRS), f"of `{LIMIT}`": rates.get(LIMIT)}
            told = ", ".join(f"**{one.rate / other.rate:.2f}** {words}" for words, other in parts.items() if other)
            asked = f"2.5 times PyAirbyte, 0.85 of `{LIMIT}`"

        yield who, f"{one.records:,}", f"{one.wall:.2f}", f"{one.start:.2f}", f"{one.rate:,.0f}", told, asked


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
