"""From the steps of a scenario to the lines that a destination is sent, and the configured catalog beside them."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airbyte_exec.conformance.jobs import Send
from airbyte_exec.conformance.transcript import Key

_STEPS = ("record", "records", "state", "global", "legacy", "status", "raw", "raw_bytes", "raw_record", "await", "kill")
_FIELDS = {"id": {"type": "integer"}, "name": {"type": ["null", "string"]}}


@dataclass(kw_only=True)
class Sync:
    """One write of a scenario, as bytes.

    Parameters:
        catalog: the configured catalog.
        steps: what is written, in order.
        states: the states that are sent, in order.
    """

    catalog: dict[str, Any]
    steps: list[Send]
    states: list[dict[str, Any]]


@dataclass(kw_only=True)
class Names:
    """Gives each stream of a case a name that no other run of the suite uses.

    Parameters:
        tag: made for one run of one case.
    """

    tag: str

    def key(self, label: str) -> Key:
        """Return the stream of a label: `name`, `namespace/name`, or `namespace/=name` for that very name in it."""
        namespace, slash, name = label.rpartition("/")
        if name.startswith("="):
            return name[1:], f"{namespace}_{self.tag}"

        return (
            f"{name} {self.tag}" if " " in name else f"{name}_{self.tag}",
            f"{namespace}_{self.tag}" if slash else None,
        )

    def descriptor(self, label: str) -> dict[str, Any]:
        """Return the descriptor of a label."""
        name, namespace = self.key(label)
        return {"name": name} if namespace is None else {"name": name, "namespace": namespace}


def make_sync(body: Mapping[str, Any], names: Names) -> Sync:
    """Return what one sync of a case sends."""
    writer = _Writer(names)
    for step in body["send"]:
        writer.take(step)

    if body.get("complete", True):
        for about in body["streams"]:
            writer.status(about["name"], "COMPLETE")

    catalog = {"streams": [_configured(about, names) for about in body["streams"]]}
    return Sync(catalog=catalog, steps=writer.done(), states=writer.states)


def _configured(about: Mapping[str, Any], names: Names) -> dict[str, Any]:
    name, namespace = names.key(about["name"])
    schema = {"type": "object", "properties": about.get("fields", _FIELDS)}
    stream = {"name": name, "json_schema": schema, "supported_sync_modes": ["full_refresh", "incremental"]}
    if namespace is not None:
        stream["namespace"] = namespace

    generation = about.get("generation", 1)
    mode = about.get("mode", "append")
    return {
        "stream": stream,
        "sync_mode": about.get("sync_mode", "full_refresh" if mode == "overwrite" else "incremental"),
        "destination_sync_mode": mode,
        "primary_key": about.get("primary_key", []),
        "cursor_field": about.get("cursor", []),
        "generation_id": generation,
        "minimum_generation_id": about.get("minimum", generation if mode == "overwrite" else 0),
        "sync_id": about.get("sync", 1),
    }


@dataclass
class _Writer:
    names: Names
    states: list[dict[str, Any]] = field(default_factory=list)
    _steps: list[Send] = field(default_factory=list)
    _lines: list[bytes] = field(default_factory=list)
    _since: Counter[str] = field(default_factory=Counter)
    _now: int = field(default_factory=lambda: int(time.time() * 1000))

    def take(self, step: Mapping[str, Any]) -> None:
        for name in _STEPS:
            if name in step:
                getattr(self, f"_{name}")(step)
                return

        raise ValueError(f"a step of a scenario is none: {dict(step)}")

    def status(self, label: str, status: str) -> None:
        trace = {"stream_descriptor": self.names.descriptor(label), "status": status}
        body = {"type": "STREAM_STATUS", "emitted_at": float(self._now), "stream_status": trace}
        self._say({"type": "TRACE", "trace": body})

    def done(self) -> list[Send]:
        self._cut()
        return self._steps

    def _say(self, message: Mapping[str, Any]) -> None:
        self._lines.append(json.dumps(message, ensure_ascii=False).encode() + b"\n")

    def _head(self, label: str) -> dict[str, Any]:
        self._since[label] += 1
        name, namespace = self.names.key(label)
        return {"stream": name} if namespace is None else {"stream": name, "namespace": namespace}

    def _record(self, step: Mapping[str, Any]) -> None:
        data = _filled(step["data"], 0)
        more = {"meta": step["meta"]} if "meta" in step else {}
        body = {**self._head(step["record"]), "data": data, "emitted_at": self._now, **more}
        self._say({"type": "RECORD", "record": body})

    def _records(self, step: Mapping[str, Any]) -> None:
        for number in range(1, step["count"] + 1):
            self._record({"record": step["records"], "data": _filled(step["data"], number)})

    def _raw_record(self, step: Mapping[str, Any]) -> None:
        head = json.dumps({**self._head(step["raw_record"]), "emitted_at": self._now}, ensure_ascii=False)
        self._lines.append(f'{{"type":"RECORD","record":{head[:-1]},"data":{step["text"]}}}}}\n'.encode())

    def _raw(self, step: Mapping[str, Any]) -> None:
        self._lines.append(step["raw"].encode() + b"\n")

    def _raw_bytes(self, step: Mapping[str, Any]) -> None:
        self._lines.append(base64.b64decode(step["raw_bytes"]) + b"\n")

    def _state(self, step: Mapping[str, Any]) -> None:
        label = step["state"]
        stream = {"stream_descriptor": self.names.descriptor(label), "stream_state": step["value"]}
        self._send_state({"type": "STREAM", "stream": stream}, self._since.pop(label, 0))

    def _global(self, step: Mapping[str, Any]) -> None:
        states = [
            {"stream_descriptor": self.names.descriptor(label), "stream_state": value}
            for label, value in step["global"].items()
        ]
        body = {"shared_state": step.get("shared", {}), "stream_states": states}
        self._send_state({"type": "GLOBAL", "global": body}, self._all())

    def _legacy(self, step: Mapping[str, Any]) -> None:
        self._send_state({"type": "LEGACY", "data": step["legacy"]}, self._all())

    def _all(self) -> int:
        total = self._since.total()
        self._since.clear()
        return total

    def _send_state(self, state: dict[str, Any], count: int) -> None:
        state["sourceStats"] = {"recordCount": float(count)}
        self.states.append(state)
        self._say({"type": "STATE", "state": state})

    def _status(self, step: Mapping[str, Any]) -> None:
        self.status(*step["status"])

    def _await(self, step: Mapping[str, Any]) -> None:
        del step
        self._cut(echoes=len(self.states))

    def _kill(self, step: Mapping[str, Any]) -> None:
        del step
        self._cut(kill=True)

    def _cut(self, *, echoes: int = 0, kill: bool = False) -> None:
        self._steps.append(Send(lines=b"".join(self._lines), echoes=echoes, kill=kill))
        self._lines.clear()


def _filled(value: Any, number: int) -> Any:
    """Return a value of a case: `{n}` is the number of the record, `{"$repeat": [text, times]}` a long text."""
    if isinstance(value, dict):
        if "$repeat" in value:
            return value["$repeat"][0] * value["$repeat"][1]

        return {name: _filled(inner, number) for name, inner in value.items()}

    if value == "{n}":
        return number

    return value.replace("{n}", str(number)) if isinstance(value, str) else value


def filled(value: Any, number: int = 0) -> Any:
    """Return an expected value with its long texts, and its number."""
    return _filled(value, number)


def shortened(value: Any, limit: int | None) -> Any:
    """Return a case whose repeated texts have no more bytes than a limit, as `maxRecordValueLimit` of the Java CDK."""
    if isinstance(value, list):
        return [shortened(inner, limit) for inner in value]

    if not isinstance(value, dict) or limit is None:
        return value

    if "$repeat" in value:
        text, times = value["$repeat"]
        return {"$repeat": [text, min(times, max(1, limit // len(text.encode())))]}

    return {name: shortened(inner, limit) for name, inner in value.items()}
