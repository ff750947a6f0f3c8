"""What is measured, as data: each case with its contestants and the aims that the table shows."""

from __future__ import annotations

from dataclasses import dataclass

OURS, THEIRS = "airbyte_exec", "PyAirbyte"


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Parameters:
        name: as `--case` takes it; also the driver's name for it.
        title: what the table calls it.
        limit: the case of `drivers/limits.py` that shows what the machine can do, if any.
        at_least: how many times PyAirbyte's records/s are asked for.
        aim: how many times are hoped for.
        scale: records, as a multiple of `--records`.
        contestants: who takes part.
    """

    name: str
    title: str
    limit: str | None = None
    at_least: float | None = None
    aim: float | None = None
    scale: int = 1
    contestants: tuple[str, ...] = (OURS, THEIRS)


THROUGHPUT = (
    Case("straight", "straight stream: `write(source, cache=False, state_cache=False)`", "shell-pipe", 8, 15),
    Case("straight-state", "the same with its default state: `write(source, cache=False)`", "shell-pipe"),
    Case("read", "read into DuckDB: `source.read(cache)`", "read-json", 8, 12),
    Case("cached", "the default cached write: `write(source, cache=cache)`", None, 8),
    Case("replay", "replay: `write(read_result)`", "shell-pipe", 5),
    Case("straight-long", "the straight stream, four times as long", "shell-pipe", scale=4, contestants=(OURS,)),
)

# Enough to start everything once.
FEW = 10

# Measured in other ways than by a driver of records.
IMPORT, START, INSTALL, CHECKPOINTS = "import", "start", "install", "checkpoints"
IMAGE, IMAGES_START = "image", "images-start"
NAMES = (*(case.name for case in THROUGHPUT), IMPORT, START, INSTALL, CHECKPOINTS, IMAGE, IMAGES_START)
