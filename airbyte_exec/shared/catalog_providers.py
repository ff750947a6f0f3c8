"""What a configured catalog says of its streams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from airbyte_exec.exceptions import AirbyteStreamNotFoundError, PyAirbyteInputError
from airbyte_exec.protocol.models import (
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)
from airbyte_exec.strategies import WriteMethod, WriteStrategy

__all__ = ["CatalogProvider"]


class _Streams(Protocol):
    def configured_stream(self, stream_name: str) -> ConfiguredAirbyteStream: ...


class _ReadResult(Protocol):
    @property
    def cache(self) -> _Streams: ...

    @property
    def streams(self) -> Iterable[str]: ...


class CatalogProvider:
    """Answers questions about a configured catalog.

    Parameters:
        configured_catalog: the catalog.
    """

    def __init__(self, configured_catalog: ConfiguredAirbyteCatalog) -> None:
        self._catalog = self.validate_catalog(configured_catalog)

    @staticmethod
    def validate_catalog(catalog: ConfiguredAirbyteCatalog) -> ConfiguredAirbyteCatalog:
        """Return the catalog with the generation and sync numbers that its streams lack.

        The generation is 1. Its minimum is 0: nothing that was written before is to go.
        """
        usual = {"generation_id": 1, "minimum_generation_id": 0, "sync_id": 1}
        return ConfiguredAirbyteCatalog(
            streams=[
                stream.model_copy(update={name: n for name, n in usual.items() if getattr(stream, name) is None})
                for stream in catalog.streams
            ]
        )

    @classmethod
    def from_read_result(cls, read_result: _ReadResult) -> CatalogProvider:
        """Return a provider of the streams of a `ReadResult`, as they were read."""
        streams = [read_result.cache.configured_stream(name) for name in read_result.streams]
        return cls(ConfiguredAirbyteCatalog(streams=streams))

    @property
    def configured_catalog(self) -> ConfiguredAirbyteCatalog:
        """The catalog."""
        return self._catalog

    @property
    def stream_names(self) -> list[str]:
        """The names of the streams, each once, in the order of the catalog."""
        return list(dict.fromkeys(stream.stream.name for stream in self._catalog.streams))

    def get_configured_stream_info(self, stream_name: str) -> ConfiguredAirbyteStream:
        """Return a stream.

        Raises:
            AirbyteStreamNotFoundError: there is none of that name.
            PyAirbyteInputError: there are several, in different namespaces.
        """
        found = [stream for stream in self._catalog.streams if stream.stream.name == stream_name]
        if not found:
            raise AirbyteStreamNotFoundError(stream_name=stream_name, available_streams=self.stream_names)

        if len(found) > 1:
            spaces = ", ".join(repr(stream.stream.namespace) for stream in found)
            raise PyAirbyteInputError(
                message=f"The catalog has several streams of the name {stream_name!r}, in the namespaces {spaces}.",
                input_value=stream_name,
            )

        return found[0]

    def get_stream_json_schema(self, stream_name: str) -> dict[str, Any]:
        """Return the JSON schema of a stream's records."""
        return dict(self.get_configured_stream_info(stream_name).stream.json_schema)

    def get_stream_properties(self, stream_name: str) -> dict[str, dict[str, Any]]:
        """Return the properties that the schema of a stream declares; none where it declares none."""
        return dict(self.get_stream_json_schema(stream_name).get("properties") or {})

    def get_primary_keys(self, stream_name: str) -> list[str]:
        """Return the fields of the primary key in lower case; none where there is no key.

        Raises:
            PyAirbyteInputError: a part of it lies within an object, and has no name of its own.
        """
        parts = self.get_configured_stream_info(stream_name).primary_key or []
        if nested := [part for part in parts if len(part) != 1]:
            raise PyAirbyteInputError(
                message=f"The primary key of stream {stream_name!r} is not made of fields of the record alone.",
                context={"stream_name": stream_name, "nested": nested},
            )

        return [part[0].lower() for part in parts]

    def get_cursor_key(self, stream_name: str) -> str | None:
        """Return the cursor: a field, or the path to one with dots between its parts; None where there is none."""
        return ".".join(self.get_configured_stream_info(stream_name).cursor_field or []) or None

    def resolve_write_method(self, stream_name: str, write_strategy: WriteStrategy) -> WriteMethod:
        """Return how a stream is written under a strategy.

        Raises:
            PyAirbyteInputError: a merge of a stream without a primary key.
        """
        return _method(self.get_configured_stream_info(stream_name), write_strategy)

    def with_write_strategy(self, write_strategy: WriteStrategy) -> CatalogProvider:
        """Return a provider of a copy of the catalog in which each stream is written under a strategy.

        Raises:
            PyAirbyteInputError: see `resolve_write_method`.
        """
        streams = []
        for stream in self._catalog.streams:
            method = _method(stream, write_strategy)
            mode = DestinationSyncMode(method.destination_sync_mode)
            streams.append(stream.model_copy(update={"destination_sync_mode": mode}))

        return CatalogProvider(ConfiguredAirbyteCatalog(streams=streams))


def _method(stream: ConfiguredAirbyteStream, strategy: WriteStrategy) -> WriteMethod:
    if strategy is WriteStrategy.MERGE and not stream.primary_key:
        raise PyAirbyteInputError(
            message=f"Stream {stream.stream.name!r} has no primary key: its rows cannot be merged.",
            guidance="Choose another strategy, or set a primary key on the source.",
            context={"stream_name": stream.stream.name},
        )

    if strategy is not WriteStrategy.AUTO:
        return WriteMethod(strategy.value)

    if stream.primary_key:
        return WriteMethod.MERGE

    # A stream that is read in full would be there once more after each sync.
    return WriteMethod.APPEND if stream.sync_mode is SyncMode.incremental else WriteMethod.REPLACE
