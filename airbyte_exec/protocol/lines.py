"""What a hop needs of a line: its type, and what routes a record. The rest is checked to be JSON and passed over."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Raw, Struct


class AnyObject(Struct, gc=False):
    """Any JSON object: its content is checked to be JSON and passed over."""


class RecordHead(Struct, gc=False):
    """The part of a record that routes it."""

    stream: str
    data: AnyObject
    emitted_at: int
    namespace: str | None = None


class RecordLine(Struct, gc=False, tag_field="type", tag="RECORD"):
    """A RECORD line."""

    record: RecordHead


class OddRecordHead(Struct, gc=False):
    """The part of a record that routes it, whatever its `emitted_at` is."""

    stream: str
    data: AnyObject
    emitted_at: Raw
    namespace: str | None = None


class OddRecordLine(Struct, gc=False, tag_field="type", tag="RECORD"):
    """A RECORD line that needs a second look."""

    record: OddRecordHead


class StateLine(Struct, gc=False, tag_field="type", tag="STATE"):
    """A STATE line."""

    state: AnyObject


class LogLine(Struct, gc=False, tag_field="type", tag="LOG"):
    """A LOG line."""

    log: AnyObject


class TraceLine(Struct, gc=False, tag_field="type", tag="TRACE"):
    """A TRACE line."""

    trace: AnyObject


class ControlLine(Struct, gc=False, tag_field="type", tag="CONTROL"):
    """A CONTROL line."""

    control: AnyObject


class SpecLine(Struct, gc=False, tag_field="type", tag="SPEC"):
    """A SPEC line."""

    spec: AnyObject


class StatusLine(Struct, gc=False, tag_field="type", tag="CONNECTION_STATUS"):
    """A CONNECTION_STATUS line."""

    connectionStatus: AnyObject  # noqa: N815 - the wire's own name


class CatalogLine(Struct, gc=False, tag_field="type", tag="CATALOG"):
    """A CATALOG line."""

    catalog: AnyObject


class DestinationCatalogLine(Struct, gc=False, tag_field="type", tag="DESTINATION_CATALOG"):
    """A DESTINATION_CATALOG line."""

    destination_catalog: AnyObject


Line: TypeAlias = (
    RecordLine
    | StateLine
    | LogLine
    | TraceLine
    | ControlLine
    | SpecLine
    | StatusLine
    | CatalogLine
    | DestinationCatalogLine
)

PAYLOAD_KEYS = {
    "RECORD": "record",
    "STATE": "state",
    "LOG": "log",
    "TRACE": "trace",
    "CONTROL": "control",
    "SPEC": "spec",
    "CONNECTION_STATUS": "connectionStatus",
    "CATALOG": "catalog",
    "DESTINATION_CATALOG": "destination_catalog",
}
"""Every message type of the protocol, and the key that holds its payload."""
