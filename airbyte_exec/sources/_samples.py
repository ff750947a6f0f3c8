"""Samples of streams as tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from airbyte_exec.datasets import InMemoryDataset

_MOST_COLUMNS = 10
"""A table with more stands on its side: a row a field."""


def samples_as_tables(source_name: str, samples: Mapping[str, InMemoryDataset | None]) -> None:
    """Print samples to stdout.

    Parameters:
        samples: by the name of the stream; None where it could not be read.
    """
    # The records are data: nothing in them is markup.
    console = Console(markup=False, highlight=False, emoji=False)
    console.print(f"Samples of {source_name}: {len(samples)} streams")
    for name, sample in samples.items():
        console.print()
        if sample is None:
            console.print(f"{name}: it could not be read")
        else:
            console.print(f"{name}: {len(sample)} records")
            console.print(_table(sample))


def _table(sample: InMemoryDataset) -> Table:
    records = list(sample)
    fields = list(dict.fromkeys([*sample.column_names, *(key for record in records for key in record)]))
    table = Table(show_lines=True)
    if len(fields) > _MOST_COLUMNS:
        table.add_column("field")
        for number in range(len(records)):
            table.add_column(str(number + 1), overflow="fold")

        for field in fields:
            table.add_row(Text(field), *(_cell(record, field) for record in records))
    else:
        for field in fields:
            table.add_column(Text(field), overflow="fold")

        for record in records:
            table.add_row(*(_cell(record, field) for field in fields))

    return table


def _cell(record: Mapping[str, Any], field: str) -> Text:
    return Text("" if field not in record else str(record[field]))
