"""The connector under test, and what its author gives the suite beside it. Opens nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from airbyte_exec.conformance.readback import ReadBack
from airbyte_exec.executors.base import Executor

Kind = Literal["source", "destination"]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A connector and what is known of it.

    Parameters:
        executor: what starts it.
        kind: `source` or `destination`.
        config: a config that works; None where none is given: what takes one is tried with an empty one then, unless
            the spec asks for more. `{case}` in a text of a destination's config is replaced by a name of each case:
            each then writes to a place of its own.
        bad_config: one with wrong credentials.
        fault_config: one with which `check` meets an unexpected fault.
        catalog: the configured catalog to read; by default all streams of `discover`.
        expected_records: records that a read must give: `{"stream": …, "data": …}`.
        previous: what an earlier version said: `{"spec": …}` and `{"catalog": …}`.
        stored_spec: the spec as it is kept in the connector's repository.
        metadata: the connector's `metadata.yaml`, its `data`.
        read_back: reads what a destination stored.
        exact_order: the expected records are the first ones of their streams, in their order.
        fail_on_extra_columns: a record may have no field at the top that its json_schema does not have.
        oauth_is_exempt: OAuth need not be the first way to log in.
        empty_streams: streams that may have no records.
        keyless_streams: streams that need no primary key.
        ignored_fields: fields that change from read to read.
        threshold_days: how far a source may look back behind its cursor.
        longest_text: the bytes of the longest text that a destination can store; None where all can be.
    """

    executor: Executor
    kind: Kind
    config: Mapping[str, Any] | None = field(default=None, repr=False)
    bad_config: Mapping[str, Any] | None = field(default=None, repr=False)
    fault_config: Mapping[str, Any] | None = field(default=None, repr=False)
    catalog: Mapping[str, Any] | None = None
    expected_records: tuple[Mapping[str, Any], ...] = ()
    previous: Mapping[str, Any] = field(default_factory=dict)
    stored_spec: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    read_back: ReadBack | None = None
    exact_order: bool = False
    fail_on_extra_columns: bool = False
    oauth_is_exempt: bool = False
    empty_streams: frozenset[str] = frozenset()
    keyless_streams: frozenset[str] = frozenset()
    ignored_fields: frozenset[str] = frozenset()
    threshold_days: float = 0.0
    longest_text: int | None = None

    @property
    def name(self) -> str:
        """The connector's name."""
        return self.executor.name

    @property
    def used_config(self) -> Mapping[str, Any]:
        """The config that commands are run with: an empty one where none is given."""
        return self.config if self.config is not None else {}

    @property
    def is_image(self) -> bool:
        """Whether it is an image."""
        return hasattr(self.executor, "image")


def subject_of(connector: str, *, kind: Kind | None = None, **given: Any) -> Subject:
    """Return the subject of a connector string; it is installed where that is needed.

    Parameters:
        connector: such as `pypi:airbyte-source-faker==7.2.1`.
        kind: by default what its name says.
        given: further fields of `Subject`.

    Raises:
        PyAirbyteInputError: the string names no connector, or its name does not tell its kind.
        AirbyteConnectorError: it is not there, or cannot be installed.
    """
    from airbyte_exec.exceptions import PyAirbyteInputError
    from airbyte_exec.executors import parse_connector_string, resolve_executor

    ref = parse_connector_string(connector)
    found = kind or _kind_of_name(ref.name)
    if found is None:
        raise PyAirbyteInputError(
            message=f"{ref.name!r} does not say whether it is a source or a destination.",
            guidance="Give `--kind source` or `--kind destination`.",
            input_value=connector,
        )

    how = given.pop("how", {})
    executor = resolve_executor(ref.name, **ref.kwargs, **how)
    return Subject(executor=executor, kind=found, **given)


def kind_of(connector: str) -> Kind | None:
    """Return what the name in a connector string says it is; None where it does not tell, or the string names none."""
    from airbyte_exec.exceptions import PyAirbyteInputError
    from airbyte_exec.executors import parse_connector_string

    try:
        return _kind_of_name(parse_connector_string(connector).name)
    except PyAirbyteInputError:
        return None


def _kind_of_name(name: str) -> Kind | None:
    return "source" if name.startswith("source-") else "destination" if name.startswith("destination-") else None
