"""Every message and field of the Airbyte protocol, as pydantic models.

Class and field names are those of the protocol's own Python package (`airbyte_protocol.models`). This module
knows no process, no line and no newline; the hot path (records and states) never comes here, see `envelope`.

Rules that hold for each model, because `Wire` holds them:

- A field that is not named here is kept and written again.
- A field that was absent stays absent. A field that was `null` stays `null`.
- `global` is called `global` on the wire in both directions; in Python it is `global_`.
- What belongs to a connector or a user (`data`, `stream_state`, `json_schema`, `config`, …) is a plain `dict`
  that nothing alters.
- Types are JSON's, strictly: `"5"` is no integer, `1` no boolean; `5.0` is an integer, as JSON Schema says.
- An optional field may be `null`; connectors that dump every field write it so. A required one may not.

`protocol/schema/` states the same as JSON Schema, and a test holds the two together.
"""

# One file of more than 300 lines: it is a table of data, and splitting it would only scatter the protocol.
# ruff: noqa: N815 - fields are called what the protocol calls them, camel case included.

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any, Self, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StrictBool,
    StrictStr,
    ValidationError,
    model_validator,
)

_EXACT_DOUBLE = 2**53
_SET_ONLY: dict[str, Any] = {"exclude_unset": True}


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _with_decimal_point(value: float) -> float:
    return float(value) if abs(value) <= _EXACT_DOUBLE else value


Integer: TypeAlias = Annotated[int, Strict(), BeforeValidator(_whole)]
"""A JSON number without a fraction; `5.0` is one."""
Number: TypeAlias = Annotated[int, Strict()] | Annotated[float, Strict()]
"""Any JSON number; an integer of any size stays exact."""
Count: TypeAlias = Annotated[Number, PlainSerializer(_with_decimal_point, return_type=Any)]
"""A number of records. The protocol wants it written with a decimal point: `5` leaves as `5.0`."""
Path: TypeAlias = list[StrictStr]
"""The way to a field, from the outermost object inwards."""
AirbyteStateBlob: TypeAlias = dict[StrictStr, Any]
"""What a source wrote into a state. Nobody else looks into it."""


class Wire(BaseModel):
    """A part of a protocol message.

    Build one from keyword arguments, or read one with `from_bytes` and `from_dict`; write one with `to_bytes`
    and `to_dict`. These four speak the names of the wire. Models are frozen: use `model_copy(update=…)`.
    """

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
        ser_json_inf_nan="constants",
        # A message may hold a config, and a config secrets.
        hide_input_in_errors=True,
        # Most processes use a few of these models: their validators are built when they are first needed.
        defer_build=True,
        protected_namespaces=(),
    )

    @classmethod
    def from_bytes(cls, line: bytes) -> Self:
        """Read one JSON text.

        Lone surrogates, `NaN`, `Infinity` and deep nesting are read as Python's `json` reads them.

        Raises:
            ValueError: it is not UTF-8, not JSON or (`pydantic.ValidationError`) not this message, or is
                nested deeper or holds an integer longer than Python's `json` can read.
        """
        try:
            return cls.model_validate_json(line, by_alias=True, by_name=False)
        except ValidationError as error:
            if error.errors(include_input=False, include_url=False)[0]["type"] != "json_invalid":
                raise

        try:
            return cls.from_dict(json.loads(line.decode("utf-8")))
        except RecursionError:
            raise ValueError("the JSON text is nested too deep") from None

    @classmethod
    def from_dict(cls, value: object) -> Self:
        """Read a JSON value, in Python's types.

        Raises:
            pydantic.ValidationError: it is not this message.
        """
        return cls.model_validate(value, by_alias=True, by_name=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON value, in Python's plain types.

        Raises:
            ValueError: it is nested deeper than pydantic can write (about 250).
        """
        return self.model_dump(mode="json")

    def to_bytes(self) -> bytes:
        r"""Return the JSON text as a line of ASCII without its newline; a lone surrogate leaves as `\udXXX`.

        Raises:
            ValueError: as `to_dict`.
        """
        return json.dumps(self.to_dict(), separators=(",", ":")).encode("ascii")

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """Return pydantic's dump; unless told otherwise, of the fields that are set."""
        return super().model_dump(**{**_SET_ONLY, **options})

    def model_dump_json(self, **options: Any) -> str:
        """Return pydantic's JSON text; unless told otherwise, of the fields that are set."""
        return super().model_dump_json(**{**_SET_ONLY, **options})


def _require(message: BaseModel, kind: StrEnum, field: str | None) -> None:
    if field is not None and getattr(message, field) is None:
        raise ValueError(f"{kind.value} without {field.rstrip('_')!r}")


# What names a stream


class StreamDescriptor(Wire):
    """The identity of a stream. An empty namespace is legal and differs from none."""

    name: StrictStr
    namespace: StrictStr | None = None


class SyncMode(StrEnum):
    """How a source reads a stream."""

    full_refresh = "full_refresh"
    incremental = "incremental"


class DestinationSyncMode(StrEnum):
    """How a destination writes a stream."""

    append = "append"
    overwrite = "overwrite"
    append_dedup = "append_dedup"
    update = "update"
    soft_delete = "soft_delete"


# RECORD


class Change(StrEnum):
    """What was done to a field of a record."""

    NULLED = "NULLED"
    TRUNCATED = "TRUNCATED"


class Reason(StrEnum):
    """Why a field of a record was changed on its way."""

    SOURCE_RECORD_SIZE_LIMITATION = "SOURCE_RECORD_SIZE_LIMITATION"
    DESTINATION_RECORD_SIZE_LIMITATION = "DESTINATION_RECORD_SIZE_LIMITATION"
    PLATFORM_RECORD_SIZE_LIMITATION = "PLATFORM_RECORD_SIZE_LIMITATION"
    SOURCE_FIELD_SIZE_LIMITATION = "SOURCE_FIELD_SIZE_LIMITATION"
    DESTINATION_FIELD_SIZE_LIMITATION = "DESTINATION_FIELD_SIZE_LIMITATION"
    PLATFORM_FIELD_SIZE_LIMITATION = "PLATFORM_FIELD_SIZE_LIMITATION"
    SOURCE_SERIALIZATION_ERROR = "SOURCE_SERIALIZATION_ERROR"
    DESTINATION_SERIALIZATION_ERROR = "DESTINATION_SERIALIZATION_ERROR"
    PLATFORM_SERIALIZATION_ERROR = "PLATFORM_SERIALIZATION_ERROR"
    SOURCE_RETRIEVAL_ERROR = "SOURCE_RETRIEVAL_ERROR"
    DESTINATION_TYPECAST_ERROR = "DESTINATION_TYPECAST_ERROR"


class AirbyteRecordMessageMetaChange(Wire):
    """One field of a record that is not what the source held."""

    field: StrictStr
    change: Change
    reason: Reason


class AirbyteRecordMessageMeta(Wire):
    """What happened to a record on its way."""

    changes: list[AirbyteRecordMessageMetaChange] | None = None


class AirbyteRecordMessageFileReference(Wire):
    """The file that a record describes."""

    staging_file_url: StrictStr | None = None
    source_file_relative_path: StrictStr | None = None
    file_size_bytes: Integer | None = None


class AirbyteRecordMessage(Wire):
    """One record of one stream. `emitted_at` is in milliseconds since the epoch."""

    stream: StrictStr
    data: dict[StrictStr, Any]
    emitted_at: Integer
    namespace: StrictStr | None = None
    meta: AirbyteRecordMessageMeta | None = None
    file_reference: AirbyteRecordMessageFileReference | None = None


# STATE


class AirbyteStateType(StrEnum):
    """What a state covers: all streams, one, or (LEGACY, also where no type is given) it does not say."""

    GLOBAL = "GLOBAL"
    STREAM = "STREAM"
    LEGACY = "LEGACY"


class AirbyteStreamState(Wire):
    """The state of one stream; without a `stream_state` the stream is reset."""

    stream_descriptor: StreamDescriptor
    stream_state: AirbyteStateBlob | None = None


class AirbyteGlobalState(Wire):
    """The state of all streams at once."""

    stream_states: list[AirbyteStreamState]
    shared_state: AirbyteStateBlob | None = None


class AirbyteStateStats(Wire):
    """Records since the state before this one, of this stream or of all (GLOBAL)."""

    recordCount: Count | None = None
    rejectedRecordCount: Count | None = None
    additionalStats: dict[StrictStr, Number] | None = None


class AirbyteStateMessage(Wire):
    """A point from which a later read can go on."""

    type: AirbyteStateType | None = None
    stream: AirbyteStreamState | None = None
    global_: AirbyteGlobalState | None = Field(None, alias="global")
    data: dict[StrictStr, Any] | None = None
    sourceStats: AirbyteStateStats | None = None
    destinationStats: AirbyteStateStats | None = None

    @model_validator(mode="after")
    def _is_what_its_type_says(self) -> Self:
        if self.global_ is None and "global_" in (self.model_extra or {}):
            # A stray "global_" on the wire is an unknown field, but pydantic counts `global` as set by it.
            self.model_fields_set.discard("global_")

        if self.type is not None:
            _require(self, self.type, {"STREAM": "stream", "GLOBAL": "global_"}.get(self.type.value))

        return self


# LOG


class Level(StrEnum):
    """The level of a log line."""

    FATAL = "FATAL"
    ERROR = "ERROR"
    WARN = "WARN"
    INFO = "INFO"
    DEBUG = "DEBUG"
    TRACE = "TRACE"


class AirbyteLogMessage(Wire):
    """One log line."""

    level: Level
    message: StrictStr
    stack_trace: StrictStr | None = None


# SPEC


class OAuth2Specification(Wire):
    """Where the parameters of an OAuth flow lie in a config (deprecated by `advanced_auth`)."""

    rootObject: list[StrictStr | Integer] | None = None
    oauthFlowInitParameters: list[Path] | None = None
    oauthFlowOutputParameters: list[Path] | None = None


class AuthType(StrEnum):
    """The kinds of `authSpecification`."""

    oauth2_0 = "oauth2.0"


class AuthSpecification(Wire):
    """How a user grants access (deprecated by `advanced_auth`)."""

    auth_type: AuthType | None = None
    oauth2Specification: OAuth2Specification | None = None


class AuthFlowType(StrEnum):
    """The kinds of `advanced_auth`."""

    oauth2_0 = "oauth2.0"
    oauth1_0 = "oauth1.0"


class State(Wire):
    """The length of an OAuth `state` parameter."""

    min: Integer | None = None
    max: Integer | None = None


class OauthConnectorInputSpecification(Wire):
    """The requests of an OAuth flow, as templates."""

    consent_url: StrictStr
    access_token_url: StrictStr
    scope: StrictStr | None = None
    access_token_headers: dict[StrictStr, Any] | None = None
    access_token_params: dict[StrictStr, Any] | None = None
    extract_output: list[StrictStr] | None = None
    state: State | None = None
    client_id_key: StrictStr | None = None
    client_secret_key: StrictStr | None = None
    scope_key: StrictStr | None = None
    state_key: StrictStr | None = None
    auth_code_key: StrictStr | None = None
    redirect_uri_key: StrictStr | None = None
    token_expiry_key: StrictStr | None = None


class OAuthConfigSpecification(Wire):
    """What an OAuth flow takes from a config and gives to it, each as a JSON Schema."""

    oauth_user_input_from_connector_config_specification: dict[StrictStr, Any] | None = None
    oauth_connector_input_specification: OauthConnectorInputSpecification | None = None
    complete_oauth_output_specification: dict[StrictStr, Any] | None = None
    complete_oauth_server_input_specification: dict[StrictStr, Any] | None = None
    complete_oauth_server_output_specification: dict[StrictStr, Any] | None = None


class AdvancedAuth(Wire):
    """How a user grants access, and which value of the config says so."""

    auth_flow_type: AuthFlowType | None = None
    predicate_key: Path | None = None
    predicate_value: StrictStr | None = None
    oauth_config_specification: OAuthConfigSpecification | None = None


class ConnectorSpecification(Wire):
    """What a connector is and which config it takes: `connectionSpecification` is a JSON Schema."""

    connectionSpecification: dict[StrictStr, Any]
    documentationUrl: StrictStr | None = None
    changelogUrl: StrictStr | None = None
    supportsIncremental: StrictBool | None = None
    supportsNormalization: StrictBool | None = None
    supportsDBT: StrictBool | None = None
    supported_destination_sync_modes: list[DestinationSyncMode] | None = None
    authSpecification: AuthSpecification | None = None
    advanced_auth: AdvancedAuth | None = None
    protocol_version: StrictStr | None = None


# CONNECTION_STATUS


class Status(StrEnum):
    """The answer to `check`."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class AirbyteConnectionStatus(Wire):
    """The answer to `check`, and why."""

    status: Status
    message: StrictStr | None = None


# CATALOG, and the catalog that a sync is configured with


class AirbyteStream(Wire):
    """A stream that a source can read."""

    name: StrictStr
    json_schema: dict[StrictStr, Any]
    supported_sync_modes: Annotated[list[SyncMode], Field(min_length=1)]
    source_defined_cursor: StrictBool | None = None
    default_cursor_field: Path | None = None
    source_defined_primary_key: list[Path] | None = None
    namespace: StrictStr | None = None
    is_resumable: StrictBool | None = None
    is_file_based: StrictBool | None = None


class AirbyteCatalog(Wire):
    """The streams that a source can read."""

    streams: list[AirbyteStream]


class ConfiguredAirbyteStream(Wire):
    """A stream that is to be read and written, and how.

    `generation_id` grows with each refresh of the stream, `sync_id` with each sync. Rows of a generation
    below `minimum_generation_id` are to be removed once the stream is complete; 0 removes none.
    """

    stream: AirbyteStream
    sync_mode: SyncMode
    destination_sync_mode: DestinationSyncMode
    cursor_field: Path | None = None
    primary_key: list[Path] | None = None
    destination_object_name: StrictStr | None = None
    generation_id: Integer | None = None
    minimum_generation_id: Integer | None = None
    sync_id: Integer | None = None
    include_files: StrictBool | None = None


class ConfiguredAirbyteCatalog(Wire):
    """What `read` and `write` are given as `--catalog`."""

    streams: list[ConfiguredAirbyteStream]


# TRACE


class TraceType(StrEnum):
    """What a TRACE tells."""

    ERROR = "ERROR"
    ESTIMATE = "ESTIMATE"
    STREAM_STATUS = "STREAM_STATUS"
    ANALYTICS = "ANALYTICS"


class FailureType(StrEnum):
    """Who can mend an error: the connector's maker, the user, or time."""

    system_error = "system_error"
    config_error = "config_error"
    transient_error = "transient_error"


class AirbyteErrorTraceMessage(Wire):
    """An error of a connector."""

    message: StrictStr
    internal_message: StrictStr | None = None
    stack_trace: StrictStr | None = None
    failure_type: FailureType | None = None
    stream_descriptor: StreamDescriptor | None = None


class EstimateType(StrEnum):
    """What an estimate covers. One sync does not mix the two."""

    STREAM = "STREAM"
    SYNC = "SYNC"


class AirbyteEstimateTraceMessage(Wire):
    """How much a source expects to send."""

    name: StrictStr
    type: EstimateType
    namespace: StrictStr | None = None
    row_estimate: Integer | None = None
    byte_estimate: Integer | None = None


class AirbyteStreamStatus(StrEnum):
    """Where a stream stands. COMPLETE and INCOMPLETE are final."""

    STARTED = "STARTED"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    INCOMPLETE = "INCOMPLETE"


class AirbyteStreamStatusReasonType(StrEnum):
    """Why a stream stands where it does."""

    RATE_LIMITED = "RATE_LIMITED"


class AirbyteStreamStatusRateLimitedReason(Wire):
    """When the quota is refilled, in milliseconds since the epoch."""

    quota_reset: Integer | None = None


class AirbyteStreamStatusReason(Wire):
    """Why a stream stands where it does, with details."""

    type: AirbyteStreamStatusReasonType
    rate_limited: AirbyteStreamStatusRateLimitedReason | None = None


class AirbyteStreamStatusTraceMessage(Wire):
    """Where one stream stands."""

    stream_descriptor: StreamDescriptor
    status: AirbyteStreamStatus
    reasons: list[AirbyteStreamStatusReason] | None = None


class AirbyteAnalyticsTraceMessage(Wire):
    """A figure about the connector itself."""

    type: StrictStr
    value: StrictStr | None = None


class AirbyteTraceMessage(Wire):
    """What a connector says about its own work. `emitted_at` is in milliseconds since the epoch."""

    type: TraceType
    emitted_at: Number
    error: AirbyteErrorTraceMessage | None = None
    estimate: AirbyteEstimateTraceMessage | None = None
    stream_status: AirbyteStreamStatusTraceMessage | None = None
    analytics: AirbyteAnalyticsTraceMessage | None = None

    @model_validator(mode="after")
    def _is_what_its_type_says(self) -> Self:
        # An error counts even where the connector could say nothing about it.
        if self.type is not TraceType.ERROR:
            _require(self, self.type, self.type.value.lower())

        return self


# CONTROL


class OrchestratorType(StrEnum):
    """What a CONTROL asks for."""

    CONNECTOR_CONFIG = "CONNECTOR_CONFIG"


class AirbyteControlConnectorConfigMessage(Wire):
    """The config that the connector is to be given from now on."""

    config: dict[StrictStr, Any] = Field(repr=False)


class AirbyteControlMessage(Wire):
    """A wish of a connector. `emitted_at` is in milliseconds since the epoch."""

    type: OrchestratorType
    emitted_at: Number
    connectorConfig: AirbyteControlConnectorConfigMessage | None = None

    @model_validator(mode="after")
    def _is_what_its_type_says(self) -> Self:
        _require(self, self.type, "connectorConfig")
        return self


# DESTINATION_CATALOG


class DestinationOperation(Wire):
    """Something that a destination can do with one of its objects."""

    object_name: StrictStr
    sync_mode: DestinationSyncMode
    json_schema: dict[StrictStr, Any]
    matching_keys: list[Path] | None = None


class DestinationCatalog(Wire):
    """What a destination can do, as its `discover` says."""

    operations: list[DestinationOperation]


# The message


class Type(StrEnum):
    """The types of a message."""

    RECORD = "RECORD"
    STATE = "STATE"
    LOG = "LOG"
    SPEC = "SPEC"
    CONNECTION_STATUS = "CONNECTION_STATUS"
    CATALOG = "CATALOG"
    TRACE = "TRACE"
    CONTROL = "CONTROL"
    DESTINATION_CATALOG = "DESTINATION_CATALOG"


class AirbyteMessage(Wire):
    """One message: the field that its type names is there; the others have no meaning."""

    type: Type
    log: AirbyteLogMessage | None = None
    spec: ConnectorSpecification | None = None
    connectionStatus: AirbyteConnectionStatus | None = None
    catalog: AirbyteCatalog | None = None
    record: AirbyteRecordMessage | None = None
    state: AirbyteStateMessage | None = None
    trace: AirbyteTraceMessage | None = None
    control: AirbyteControlMessage | None = None
    destination_catalog: DestinationCatalog | None = None

    @model_validator(mode="after")
    def _is_what_its_type_says(self) -> Self:
        camel = self.type is Type.CONNECTION_STATUS
        _require(self, self.type, "connectionStatus" if camel else self.type.value.lower())
        return self
