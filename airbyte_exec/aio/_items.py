"""What a source says, as it says it: for whoever wants its lines and no sync."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from airbyte_exec._connector.errors import bare_errors
from airbyte_exec._engine.ends import SourceFeed
from airbyte_exec.exceptions import AirbyteConnectorError
from airbyte_exec.protocol.envelope import Item, Message, Records, State
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from airbyte_exec._connector.session import Session
    from airbyte_exec.aio.source import AsyncSource
    from airbyte_exec.protocol.models import ConfiguredAirbyteCatalog

_UNSAID = frozenset({"CONTROL"})
"""Holds a whole config, with its secrets: it is for whoever runs the connector, and for nobody else."""


async def read_items(
    source: AsyncSource, catalog: ConfiguredAirbyteCatalog, *, state: bytes | None = None, messages: bool = False
) -> AsyncGenerator[list[Item], None]:
    """Run `read` and yield what comes, in order; records and states are the bytes that the source wrote.

    Parameters:
        source: the source.
        catalog: what it is to read.
        state: the text of the `--state` document.
        messages: yield LOG, TRACE and the like too, with secrets masked; CONTROL never.

    Raises:
        AirbyteConnectorReadError: the source failed, or a stream did; what came before was yielded.
    """
    streams = [StreamId(entry.stream.name, entry.stream.namespace) for entry in catalog.streams]
    with bare_errors():
        async with source.reading(catalog, state) as session:
            items: list[Item] = []

            def take(item: Item) -> None:
                if isinstance(item, Records | State) or (messages and isinstance(item, Message)):
                    items.extend(_shown(session, item))

            session.tap = take
            feed = SourceFeed(session, streams)
            try:
                async with aclosing(feed.batches()) as batches:
                    async for _ in batches:
                        yield items.copy()
                        items.clear()
            except AirbyteConnectorError:
                if items:
                    yield items

                raise

            if items:
                yield items

            failed = feed.failed_streams()
            if failed:
                raise feed.error("; ".join(f"{stream}: {reason}" for stream, reason in failed.items()))


def _shown(session: Session, item: Item) -> list[Item]:
    if not isinstance(item, Message):
        return [item]

    return [] if item.type in _UNSAID else [replace(item, line=session.mask_bytes(item.line))]
