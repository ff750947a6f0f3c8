"""Fill caches in tests, without any process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import anyio

from airbyte_exec._state.store import Pair, StreamSaved
from airbyte_exec.caches import DuckDBCache
from airbyte_exec.protocol.catalog import StreamPlan
from airbyte_exec.protocol.codec import LineDecoder
from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.protocol.models import ConfiguredAirbyteStream
from airbyte_exec.strategies import WriteMethod
from airbyte_exec.types import StreamId

PAIR = Pair("source-test", None, "key")
USERS = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": ["null", "string"]}}}


def plan(
    name: str = "users",
    schema: Mapping[str, Any] = USERS,
    *,
    namespace: str | None = None,
    method: WriteMethod = WriteMethod.APPEND,
    primary_key: Sequence[Sequence[str]] | None = None,
    cursor: Sequence[str] | None = None,
    generation: int = 0,
    minimum_generation: int | None = None,
) -> StreamPlan:
    """Return what is to be done with a stream; a replace starts the generation that is named."""
    replaces = method is WriteMethod.REPLACE
    configured = ConfiguredAirbyteStream.model_validate(
        {
            "stream": {
                "name": name,
                "json_schema": schema,
                "supported_sync_modes": ["full_refresh", "incremental"],
                **({"namespace": namespace} if namespace is not None else {}),
            },
            "sync_mode": "full_refresh" if replaces else "incremental",
            "destination_sync_mode": method.destination_sync_mode,
            "primary_key": primary_key or [],
            "cursor_field": cursor or [],
            "generation_id": generation,
            "minimum_generation_id": minimum_generation if minimum_generation is not None else generation * replaces,
            "sync_id": 1,
        }
    )
    return StreamPlan(stream=StreamId(name, namespace), method=method, configured=configured, refresh=replaces)


def record(
    data: Mapping[str, Any] | str, stream: str = "users", *, namespace: str | None = None, at: int = 1_700_000_000_000
) -> bytes:
    """Return a RECORD line; data that is a string is put in as it is."""
    text = data if isinstance(data, str) else json.dumps(data)
    names = f'"stream":{json.dumps(stream)}' + (
        f',"namespace":{json.dumps(namespace)}' if namespace is not None else ""
    )
    return f'{{"type":"RECORD","record":{{{names},"data":{text},"emitted_at":{at}}}}}\n'.encode()


def state(value: Any, stream: str = "users", *, namespace: str | None = None) -> bytes:
    """Return a STATE line of a stream."""
    descriptor = {"name": stream} if namespace is None else {"name": stream, "namespace": namespace}
    body = {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": value}}
    return json.dumps({"type": "STATE", "state": body}).encode() + b"\n"


def global_state(shared: Any, *streams: str) -> bytes:
    """Return a GLOBAL STATE line."""
    states = [{"stream_descriptor": {"name": name}, "stream_state": {"at": shared}} for name in streams]
    body = {"type": "GLOBAL", "global": {"shared_state": shared, "stream_states": states}}
    return json.dumps({"type": "STATE", "state": body}).encode() + b"\n"


def items(lines: Iterable[bytes]) -> list[Records | State]:
    """Return what the codec makes of lines."""
    decoder = LineDecoder()
    found = [*decoder.feed(b"".join(lines)), *decoder.end()]
    assert all(isinstance(item, Records | State) for item in found), found
    return [item for item in found if isinstance(item, Records | State)]


class InterruptedSyncError(Exception):
    """Ends a sync in the middle."""


async def run_sync(
    cache: DuckDBCache,
    plans: Sequence[StreamPlan],
    batches: Sequence[Sequence[bytes]],
    *,
    completed: Iterable[StreamId] | None = None,
    interrupt: bool = False,
    pair: Pair = PAIR,
    warnings: list[str] | None = None,
    before_batches: Callable[[], None] = lambda: None,
) -> list[State]:
    """Send batches of lines, each committed before the next one is sent, and return the states that came back.

    Parameters:
        cache: where to.
        plans: the streams.
        batches: lines.
        completed: the streams that end well; all, where it is left out.
        interrupt: leave by an exception when all is committed.
        pair: whose state it is.
        warnings: where warnings go.
        before_batches: called when the cache is open.
    """
    templates = {
        p.stream: StreamSaved(
            generation_id=p.configured.generation_id or 0,
            minimum_generation_id=p.configured.minimum_generation_id or 0,
            full_refresh=p.refresh,
        )
        for p in plans
    }
    heard = warnings if warnings is not None else []
    confirmed: list[State] = []
    with anyio.fail_after(60):
        try:
            async with cache.open_sink(pair, plans, templates, on_warning=heard.append) as sink:
                before_batches()
                for batch in batches:
                    await sink.send(items(batch))
                    await sink.flush()

                if interrupt:
                    raise InterruptedSyncError

                await sink.end_of_input([p.stream for p in plans] if completed is None else list(completed))
                async for states in sink.messages():
                    confirmed += states
        except InterruptedSyncError:
            pass

    return confirmed


def sync(
    cache: DuckDBCache, plans: Sequence[StreamPlan], batches: Sequence[Sequence[bytes]], **options: Any
) -> list[State]:
    """`run_sync`, from a test that does not await."""

    async def run() -> list[State]:
        return await run_sync(cache, plans, batches, **options)

    return anyio.run(run)


def replay(
    cache: DuckDBCache,
    *,
    streams: Sequence[StreamId] | None = None,
    after: Mapping[StreamId, int] | None = None,
    source: str = "source-test",
) -> list[Records | State]:
    """Return what the cache would send to a destination."""

    async def run() -> list[Records | State]:
        feed = cache.open_journal(source, streams, after=after)
        with anyio.fail_after(60):
            return [item async for batch in feed.batches() for item in batch]

    return anyio.run(run)


def text_of(replayed: Iterable[Records | State]) -> bytes:
    """Return the lines that were replayed."""
    return b"".join(item.data if isinstance(item, Records) else item.line for item in replayed)
