"""The clean subjects of the suite, and the ways to break each rule: by what they really write, and nothing else."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mini import DESTINATION_MINI, SOURCE_MINI, source_config, step, stream

from airbyte_exec.conformance import Subject, read_back, subject_of

Json = dict[str, Any]

FILES = [
    {"id": n, "_ab_source_file_url": f"a.{kind}"} for n, kind in enumerate(("csv", "jsonl", "avro", "parquet", "md"))
]
FILE_FIELDS = {"type": "object", "properties": {"id": {"type": "integer"}, "_ab_source_file_url": {"type": "string"}}}
CREDENTIALS: Json = {
    "type": "object",
    "order": 2,
    "oneOf": [
        {
            "type": "object",
            "properties": {
                "auth_type": {"type": "string", "const": "oauth"},
                "client_id": {"type": "string"},
                "client_secret": {"type": "string", "airbyte_secret": True},
            },
        },
        {
            "type": "object",
            "properties": {
                "auth_type": {"type": "string", "const": "key"},
                "password": {"type": "string", "airbyte_secret": True},
            },
        },
    ],
}
SPEC: Json = {
    "connectionSpecification": {
        "type": "object",
        "properties": {
            "api_key": {"type": "string", "airbyte_secret": True},
            "start_date": {
                "type": "string",
                "format": "date",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
                "order": 1,
            },
            "credentials": CREDENTIALS,
            "mode": {"type": "string", "enum": ["fast", "slow"]},
            "streams": {
                "type": "array",
                "items": {"type": "object", "properties": {"name": {"type": "string"}}},
            },
        },
        "additionalProperties": True,
    },
    "documentationUrl": "https://example.com/source-mini",
    "protocol_version": "0.18.0",
    "advanced_auth": {
        "auth_flow_type": "oauth2.0",
        "predicate_key": ["credentials", "auth_type"],
        "predicate_value": "oauth",
        "oauth_config_specification": {
            "complete_oauth_output_specification": {
                "type": "object",
                "properties": {"id": {"type": "string", "path_in_connector_config": ["credentials", "client_id"]}},
            }
        },
    },
}
METADATA = {
    "data": {
        "supportLevel": "certified",
        "allowedHosts": {"hosts": ["example.com"]},
        "suggestedStreams": {"streams": ["users"]},
    }
}


def sources_config() -> Json:
    streams = [
        stream("users", records=25),
        stream("orders", records=25),
        stream("files", data=FILES, fields=FILE_FIELDS, sync_modes=["full_refresh"], cursor=None),
    ]
    return source_config(streams=streams, emitted_at="now")


@dataclass
class Parts:
    """What a subject is made of; a mutant changes some of it.

    Parameters:
        config: the config, which scripts what the connector writes.
        spec: what `spec` writes.
        folder: of its own.
        given: what its author gives beside it.
    """

    folder: Path
    config: Json
    spec: Any
    given: Json = field(default_factory=dict)

    @property
    def properties(self) -> Json:
        return self.spec["connectionSpecification"]["properties"]

    @property
    def users(self) -> Json:
        return self.config["streams"][0]

    @property
    def orders(self) -> Json:
        return self.config["streams"][1]

    def flaw(self, name: str) -> None:
        self.config["flaws"] = [name]

    def script(self, command: str, *steps: Json) -> None:
        self.config["script"] = {command: list(steps)}


def source_parts(folder: Path) -> Parts:
    return Parts(folder=folder, config=sources_config(), spec=copy.deepcopy(SPEC))


def destination_parts(folder: Path) -> Parts:
    config = {"store": str(folder / "store" / "{case}"), "destination_stats": "right"}
    return Parts(folder=folder, config=config, spec=None)


def source_subject(parts: Parts, monkeypatch: Any) -> Subject:
    """Return source-mini as the parts say; what an earlier version said is what this one says, unless told."""
    settings = parts.folder / "settings.json"
    settings.write_text(json.dumps({"spec": parts.spec}), encoding="utf-8")
    monkeypatch.setenv("SOURCE_MINI_SCRIPT", str(settings))
    config = parts.config
    given = {
        "bad_config": config | {"check": {"status": "FAILED", "message": "The key is wrong."}},
        "fault_config": config | {"script": {"check": [step("trace_error"), step("exit", code=1)]}},
        "stored_spec": parts.spec if isinstance(parts.spec, dict) else SPEC,
        "previous": {"spec": parts.spec if isinstance(parts.spec, dict) else SPEC},
        "metadata": METADATA,
        "expected_records": tuple({"stream": "users", "data": {"id": n}} for n in range(1, 26)),
        "exact_order": True,
    }
    return subject_of(f"path:{SOURCE_MINI}", config=config, **{**given, **parts.given})


def destination_subject(parts: Parts) -> Subject:
    config = parts.config
    given = {
        "bad_config": config | {"store": "/dev/null/nowhere"},
        "fault_config": config | {"script": {"check": [step("trace_error"), step("exit", code=1)]}},
        "read_back": read_back(f"files:{config['store']}/{{namespace}}/{{stream}}.jsonl"),
    }
    return subject_of(f"path:{DESTINATION_MINI}", config=config, **{**given, **parts.given})


Change = Callable[[Parts], object]


def _properties(**more: Any) -> Change:
    return lambda parts: parts.properties.update(more)


def _setting(**more: Any) -> Change:
    return lambda parts: parts.config.update(more)


def _orders(**more: Any) -> Change:
    return lambda parts: parts.orders.update(more)


def _flaw(name: str) -> Change:
    return lambda parts: parts.flaw(name)


def _read(*steps: Json) -> Change:
    return lambda parts: parts.script("read", *steps)


def _without_property(parts: Parts) -> None:
    parts.given["previous"] = {"spec": copy.deepcopy(parts.spec)}
    del parts.properties["mode"]


def _other_stored(parts: Parts) -> None:
    parts.given["stored_spec"] = copy.deepcopy(parts.spec)
    parts.spec["documentationUrl"] = "https://example.com/moved"


def _bad_branch(parts: Parts) -> None:
    del parts.properties["credentials"]["oneOf"][0]["properties"]["auth_type"]["const"]
    parts.spec.pop("advanced_auth")


def _lost_path(parts: Parts) -> None:
    outputs = parts.spec["advanced_auth"]["oauth_config_specification"]["complete_oauth_output_specification"]
    outputs["properties"]["id"]["path_in_connector_config"] = ["credentials", "nowhere"]


def _oauth_second(parts: Parts) -> None:
    parts.properties["credentials"]["oneOf"].reverse()


def _extra_column(parts: Parts) -> None:
    parts.given["fail_on_extra_columns"] = True
    parts.orders.update(data=[{"id": 1, "name": "a", "updated_at": "2024-01-01T00:00:00Z", "undeclared": 1}])


def _other_order(parts: Parts) -> None:
    rows = [{"id": n, "name": "a", "updated_at": f"2024-01-01T00:00:00.{n:03}Z"} for n in range(1, 26)]
    rows[3]["id"], rows[4]["id"] = 5, 4
    parts.users.update(data=rows)


def _no_pattern(parts: Parts) -> None:
    del parts.properties["start_date"]["pattern"]


def _unmarked(parts: Parts) -> None:
    del parts.properties["api_key"]["airbyte_secret"]


def _fields(**changes: Any) -> Json:
    fields: Json = {
        "id": {"type": "integer"},
        "name": {"type": ["string", "null"]},
        "updated_at": {"type": "string", "format": "date-time"},
        "price": {"type": ["number", "null"]},
    }
    return {"type": "object", "properties": {**fields, **changes}}


def _lost_field(parts: Parts) -> None:
    before = {"name": "orders", "json_schema": _fields(), "default_cursor_field": ["updated_at"]}
    parts.given["previous"] = {"catalog": {"streams": [before]}}
    parts.orders["fields"] = _fields()
    del parts.orders["fields"]["properties"]["price"]


def _no_cursor_in_records(parts: Parts) -> None:
    parts.users.update(cursor="nowhere", fields=_fields(nowhere={"type": "string"}))


def _null_key(parts: Parts) -> None:
    data = [{"id": None, "updated_at": f"2023-12-31T00:00:0{n}Z"} for n in range(5)]
    parts.orders.update(data=data, fields=_fields(id={"type": ["integer", "null"]}))


def _wrong_value(parts: Parts) -> None:
    parts.orders.update(data=[{"id": 1, "name": 5, "updated_at": "2024-01-01T00:00:00Z"}])


def _lost_in_second_read(parts: Parts) -> None:
    later = parts.folder / "later.json"
    text = json.dumps({"script": {"read": [step("drop_records")]}})
    parts.config["script_file"] = str(later)
    parts.script("read", step("mark", {"after_stream": "files"}, path=later, text=text))


def _fault_with_exit_0(parts: Parts) -> None:
    parts.given["fault_config"] = parts.config | {"script": {"check": [step("trace_error"), step("exit", code=0)]}}


def _takes_any_credentials(parts: Parts) -> None:
    parts.given["bad_config"] = parts.config | {"check": {"status": "SUCCEEDED"}}


def _no_parquet(parts: Parts) -> None:
    parts.config["streams"][2]["data"] = [row for row in FILES if "parquet" not in row["_ab_source_file_url"]]


def _fails_without_a_word(parts: Parts) -> None:
    parts.given["bad_config"] = parts.config | {
        "store": "/dev/null/nowhere",
        "lenient": True,
        "check": {"status": "FAILED", "message": " "},
    }


def _garbage(parts: Parts) -> None:
    parts.config.update(ways=["short_texts"], flaws=["tells_garbage"])


def _zeroes(parts: Parts) -> None:
    parts.config.update(ways=["typed"], flaws=["zeroes_misfits"])


def _typed_silently(parts: Parts) -> None:
    parts.config.update(ways=["typed"], flaws=["silent_nulls"])


STATE_ON_STDERR = step("stderr", text='{"state": {"type": "LEGACY", "data": {}}, "type": "STATE"}\n')
NOISE_ON_STDERR = step("stderr_flood", mb=1)
FAILED = {"check": {"status": "FAILED", "message": "no"}}
SOURCES: list[tuple[str, str, Change]] = [
    ("SP1", "no SPEC", lambda parts: setattr(parts, "spec", "silent")),
    ("SP2", "no JSON Schema", _properties(mode={"type": "string", "enum": ["fast"], "minLength": "x"})),
    ("SP3", "another spec than the stored one", _other_stored),
    ("SP4", "an enum with a value twice", _properties(mode={"type": "string", "enum": ["fast", "fast"]})),
    ("SP5", "a branch without its constant", _bad_branch),
    ("SP6", "a secret without a mark", _unmarked),
    ("SP7", "two types", _properties(mode={"type": ["string", "integer"]})),
    ("SP8", "an object of nothing", _properties(extra={"type": "object"})),
    ("SP9", "an array of anything", _properties(extra={"type": "array"})),
    ("SP10", "anyOf", _properties(mode={"anyOf": [{"type": "string"}]})),
    ("SP11", "a date without a pattern", _no_pattern),
    ("SP12", "two fields with one order", _properties(mode={"type": "string", "order": 1})),
    (
        "SP13",
        "no further fields",
        _properties(extra={"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}),
    ),
    ("SP14", "a path that leads nowhere", _lost_path),
    ("SP14", "OAuth is not the first way to log in", _oauth_second),
    ("SP15", "a field that is gone", _without_property),
    ("CK1", "FAILED for a good config", _setting(**FAILED)),
    ("CK1", "a check that crashes", lambda parts: parts.script("check", step("exit", code=3))),
    ("CK2", "SUCCEEDED for wrong credentials", _takes_any_credentials),
    ("CK3", "exit code 0 after a fault", _fault_with_exit_0),
    ("CK4", "SUCCEEDED for a config that the spec does not allow", _setting(lenient=True)),
    ("DI1", "exit code 3 after the catalog", lambda parts: parts.script("discover", step("exit", "end", code=3))),
    ("DI2", "allOf", _orders(fields={**_fields(), "allOf": [{}]})),
    ("DI3", "a key that may be an object", _orders(fields=_fields(id={"type": ["integer", "object"]}))),
    ("DI4", "no sync mode", _orders(discovered={"supported_sync_modes": []})),
    ("DI5", "a field that is gone", _lost_field),
    ("DI6", "an unknown airbyte_type", _orders(fields=_fields(price={"type": "number", "airbyte_type": "money"}))),
    ("AT1", "a stream without a key", _orders(primary_key=[])),
    ("RD1", "a TRACE ERROR before a good end", _read(step("trace_error", "end"))),
    ("RD1", "exit code 3 at the end", _read(step("exit", "end", code=3))),
    ("RD2", "a value of another type", _wrong_value),
    ("RD2", "a field that is not declared", _extra_column),
    ("RD3", "a stream without records", _orders(records=0)),
    ("RD4", "a key that is null", _null_key),
    ("RD5", "a field that is never there", _orders(fields=_fields(never={"type": "string"}))),
    ("RD6", "an expected record is missing", lambda parts: parts.users.update(records=24)),
    ("RD6", "the expected records come in another order", _other_order),
    ("RD7", "no last status", _orders(status="none")),
    ("RD8", "states without counts", _setting(source_stats="none")),
    ("RD9", "success for a stream that is unknown", _setting(unknown_streams="ignored")),
    ("RD10", "a line of a log on stdout", _read(step("noise", {"record": 5}))),
    ("RD10", "a state on stderr, and much behind it", _read(STATE_ON_STDERR, NOISE_ON_STDERR)),
    ("RD10", "a line of a log behind a state", _read(step("noise", "end", when="with_state"))),
    ("RD11", "a count that is one too high", _setting(source_stats="wrong")),
    ("RD12", "no Parquet", _no_parquet),
    ("FR1", "emitted_at stands still", _setting(emitted_at=1_700_000_000_000)),
    ("FR2", "the second read loses a record", _lost_in_second_read),
    ("IN1", "a cursor that is not in the records", _no_cursor_in_records),
    ("IN2", "it fails behind its last state", _read(step("exit", "end", code=1, when="with_state"))),
    ("IN2", "it begins again", _setting(resumes="at_start")),
    ("IN3", "a state that is behind", _setting(state_lag=5)),
    ("IN4", "it goes on before its state", _setting(resumes="early")),
    ("IN5", "it begins again behind a far state", _setting(resumes="at_start_if_beyond")),
]
DESTINATIONS: list[tuple[str, str, Change]] = [
    ("CK1", "FAILED for a good config", _setting(**FAILED)),
    ("CK2", "SUCCEEDED for a store that cannot be used", _setting(lenient=True)),
    ("CK2", "FAILED without a word", _fails_without_a_word),
    ("DE3", "the last state never comes back", _setting(echo="all_but_last")),
    ("DE3", "states without their envelope", _setting(echo="unenveloped")),
    ("DE3", "states without their counts", _setting(echo="without_counts")),
    ("DE3", "states without what is null in them", _setting(echo="without_nulls")),
    ("DE3", "states whose long numbers are rounded", _setting(echo="rounded")),
    ("DE4", "meta.changes is lost", _flaw("drops_meta")),
    ("DE4", "a count that is one too low", _setting(destination_stats="wrong")),
    ("DE4", "counts of all records so far", _setting(destination_stats="running")),
    ("DE4", "counts that are always one", _setting(destination_stats="one")),
    ("DE5", "states in another order", _setting(echo="out_of_order")),
    ("DE5", "states that nobody sent", _setting(echo="early")),
    ("DE5", "LEGACY states are kept", _setting(echo="typed_only")),
    ("DE5", "states without their namespaces", _setting(echo="without_namespaces")),
    ("DE5", "names in small letters", _setting(echo="lower_names")),
    ("DE6", "rows are written after the state came back", _flaw("late_store")),
    ("DE6", "rows are written right after the state came back", _flaw("echoes_first")),
    ("DE6", "only the first state is durable", _flaw("first_commit_only")),
    ("DE6", "a state of all streams makes one durable", _flaw("global_commits_first")),
    ("DE7", "overwriting leaves the old rows", _flaw("overwrite_appends")),
    ("DE7", "overwriting without records leaves the old rows", _flaw("overwrite_keeps_if_empty")),
    ("DE7", "overwriting empties other streams of the catalog", _flaw("overwrite_empties_catalog")),
    ("DE7", "overwriting empties that name in all namespaces", _flaw("overwrite_ignores_namespace")),
    ("DE8", "equal rows become one", _flaw("append_distinct")),
    ("DE8", "rows of one key become one", _flaw("append_merges_keys")),
    ("DE9", "the first row of a key stays", _flaw("dedup_keeps_first")),
    ("DE9", "the row that comes last stays", _flaw("dedup_last_comes")),
    ("DE9", "numbers are compared as texts", _flaw("dedup_text_cursor")),
    ("DE9", "what the newer row has not is kept of the older one", _flaw("dedup_keeps_filled")),
    ("DE9", "an old delete removes a newer row", _flaw("dedup_late_delete")),
    ("DE10", "no namespaces", _flaw("ignores_namespace")),
    ("DE10", "a stream without a namespace lies in that of another", _flaw("shares_without_namespace")),
    ("DE11", "newlines are lost", _flaw("loses_newlines")),
    ("DE11", "no stream may be named by a word of SQL", _flaw("refuses_words")),
    ("DE12", "long texts are cut", _flaw("truncates_text")),
    ("DE12", "one of thousands is another", _flaw("loses_midway")),
    ("DE12", "a text that is told to be cut is another", _garbage),
    ("DE13", "a refresh leaves the old rows", _flaw("truncate_keeps")),
    ("DE13", "a refresh without records leaves the old rows", _flaw("truncate_keeps_if_empty")),
    ("DE13", "a refresh of rows with keys leaves the old ones", _flaw("truncate_keeps_keyed")),
    ("DE14", "the rows of the first attempt are forgotten", _flaw("forgets_attempt")),
    ("DE14", "an end of input without a status is success", _flaw("accepts_silence")),
    ("DE14", "any stream that is COMPLETE will do", _flaw("accepts_any_complete")),
    ("DE14", "so will one of that name in another namespace", _flaw("accepts_named_complete")),
    ("DE15", "the rows of a cancelled refresh are dropped", _flaw("drops_staged")),
    ("DE16", "no other fields are allowed", _flaw("rigid")),
    ("DE16", "a text cannot become a number", _flaw("refuses_narrowing")),
    ("DE17", "NaN ends the write", _flaw("chokes_on_nan")),
    ("DE17", "what does not fit is null, and nothing says so", _typed_silently),
    ("DE17", "what is no number is 0", _zeroes),
    ("DE18", "states of other streams are left out", _setting(echo="known_streams")),
    ("DE18", "no count", _setting(destination_stats="streams_only")),
    ("DE19", "a line that is no message ends the write", _setting(strict=True)),
    ("DE19", "bytes that are no text end the write", _flaw("chokes_on_bytes")),
    ("DE19", "JSON that is no object ends the write", _flaw("chokes_on_lists")),
    ("DE19", "JSON without a type ends the write", _flaw("chokes_on_typeless")),
    ("DE19", "the record behind such a line is lost", _flaw("skips_after_noise")),
    ("DE20", "an error is kept silent", _flaw("swallows_errors")),
    ("DE20", "an error without a word", _flaw("says_nothing")),
]
