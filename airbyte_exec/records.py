"""A record as Python sees it: a dict whose keys are found in any case.

Names of streams and properties become names of tables and columns by the rule that PyAirbyte made
(`LowerCaseNormalizer`), so that tables of both have the same names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from airbyte_exec.constants import AB_EXTRACTED_AT_COLUMN, AB_META_COLUMN, AB_RAW_ID_COLUMN
from airbyte_exec.exceptions import PyAirbyteNameNormalizationError

if TYPE_CHECKING:
    from airbyte_exec.protocol.models import AirbyteRecordMessage

RAW_ID = AB_RAW_ID_COLUMN
EXTRACTED_AT = AB_EXTRACTED_AT_COLUMN
META = AB_META_COLUMN
INTERNAL_COLUMNS = (RAW_ID, EXTRACTED_AT, META)
"""The columns that every table has beside those of the stream, in their order."""

_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]")


class NameNormalizer(Protocol):
    """Turns the name of a stream or property into the name of a table or column."""

    @staticmethod
    def normalize(name: str) -> str:
        """Return the normalized name.

        Raises:
            PyAirbyteNameNormalizationError: nothing of the name is left.
        """
        ...


class LowerCaseNormalizer:
    """Lower case; what is neither an ASCII letter nor a digit becomes `_`; a digit is not put first."""

    @staticmethod
    def normalize(name: str) -> str:
        """Return the normalized name.

        Raises:
            PyAirbyteNameNormalizationError: nothing of the name is left.
        """
        return _normalize(name)


@lru_cache(maxsize=65_536)
def _normalize(name: str) -> str:
    result = _NOT_ALPHANUMERIC.sub("_", name.lower())
    if result[:1].isdigit():
        result = "_" + result

    if not result.strip("_"):
        raise PyAirbyteNameNormalizationError(
            message="Nothing of the name is left when it is made the name of a table or column.",
            raw_name=name,
            normalization_result=result,
        )

    return result


class StreamRecordHandler:
    """What the records of one stream have in common: the names of their keys.

    Parameters:
        json_schema: the schema of the stream.
        normalizer: makes column names of property names.
        normalize_keys: keep keys normalized instead of as the schema writes them.
        prune_extra_fields: leave out keys that the schema does not declare.
    """

    def __init__(
        self,
        *,
        json_schema: Mapping[str, Any],
        normalizer: type[NameNormalizer] = LowerCaseNormalizer,
        normalize_keys: bool = False,
        prune_extra_fields: bool,
    ) -> None:
        self.prune_extra_fields = prune_extra_fields
        self._normalizer = normalizer
        self._normalize_keys = normalize_keys
        declared = list(json_schema.get("properties") or {})
        self.normalized_keys = [self._normal(key) for key in declared]
        self.index_keys = list(self.normalized_keys) if normalize_keys else declared
        self._as_declared = {self._normal(key): key for key in [*reversed(declared), *INTERNAL_COLUMNS]}
        self._exact = {*declared, *INTERNAL_COLUMNS}

    def to_display_case(self, key: str) -> str:
        """Return the key as the schema writes it, or as it is where the schema has no such key."""
        return key if key in self._exact else self._as_declared.get(self._normal(key), key)

    def to_index_case(self, key: str) -> str:
        """Return the key as records keep it."""
        return self._normal(key) if self._normalize_keys else self.to_display_case(key)

    def keeps(self, index_key: str) -> bool:
        """Say whether records keep a value under this key."""
        return not self.prune_extra_fields or index_key in self.index_keys or index_key in INTERNAL_COLUMNS

    def _normal(self, key: str) -> str:
        try:
            return self._normalizer.normalize(key)
        except PyAirbyteNameNormalizationError:
            return key


class StreamRecord(dict[str, Any]):
    """One record. A key is found in any case and with any separator: `record["User ID"]` is `record["user_id"]`.

    Parameters:
        from_dict: the values.
        stream_record_handler: knows the stream's keys; those that `from_dict` lacks are None.
        with_internal_columns: add `_airbyte_raw_id`, `_airbyte_extracted_at` and `_airbyte_meta`.
        extracted_at: when the record was read; now, where it is left out.
    """

    def __init__(
        self,
        from_dict: Mapping[str, Any],
        *,
        stream_record_handler: StreamRecordHandler,
        with_internal_columns: bool = True,
        extracted_at: datetime | None = None,
    ) -> None:
        super().__init__(dict.fromkeys(stream_record_handler.index_keys))
        self._handler = stream_record_handler
        for key, value in from_dict.items():
            self[key] = value

        if with_internal_columns:
            super().__setitem__(RAW_ID, str(uuid4()))
            super().__setitem__(EXTRACTED_AT, extracted_at or datetime.now(UTC))
            super().__setitem__(META, {})

    @classmethod
    def from_row(cls, row: Mapping[Any, Any], *, stream_record_handler: StreamRecordHandler) -> StreamRecord:
        """Return the record of a row of a table: its keys are the names of the columns."""
        record = cls.__new__(cls)
        dict.__init__(record, row)
        record._handler = stream_record_handler
        return record

    @classmethod
    def from_record_message(
        cls, record_message: AirbyteRecordMessage, *, stream_record_handler: StreamRecordHandler
    ) -> StreamRecord:
        """Return the record that a RECORD message carries."""
        emitted_at = datetime.fromtimestamp(record_message.emitted_at / 1000, tz=UTC)
        return cls(record_message.data, stream_record_handler=stream_record_handler, extracted_at=emitted_at)

    def __getitem__(self, key: str) -> Any:
        return super().__getitem__(self._find(key))

    def __setitem__(self, key: str, value: Any) -> None:
        index_key = self._handler.to_index_case(key)
        if self._handler.keeps(index_key):
            super().__setitem__(index_key, value)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(self._find(key))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and super().__contains__(self._find(key))

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of the key in any case, or the default."""
        return super().get(self._find(key), default)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StreamRecord):
            return dict(self) == dict(other)

        if isinstance(other, dict):
            return {k.lower(): v for k, v in self.items()} == {str(k).lower(): v for k, v in other.items()}

        return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override] # PyAirbyte's records can be members of a set
        return hash(tuple(sorted((k, repr(v)) for k, v in self.items())))

    def _find(self, key: str) -> str:
        return key if super().__contains__(key) else self._handler.to_index_case(key)
