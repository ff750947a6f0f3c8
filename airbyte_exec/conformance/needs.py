"""What a case needs of its subject, and what is told where it is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airbyte_exec.conformance.cases import Case
from airbyte_exec.conformance.checks import NotApplicableError
from airbyte_exec.conformance.subject import Subject


def check_needs(case: Case, subject: Subject, spec: Mapping[str, Any] | None) -> None:
    """Go on where a case can be tried.

    Raises:
        NotApplicableError: the subject lacks what it needs.
    """
    for need in case.needs:
        missing = _missing(need, subject, spec)
        if missing is not None:
            raise NotApplicableError(missing)


def _required(spec: Mapping[str, Any] | None) -> list[str]:
    schema = (spec or {}).get("connectionSpecification")
    required = schema.get("required") if isinstance(schema, Mapping) else None
    return [str(name) for name in required] if isinstance(required, list) else []


def _missing(need: str, subject: Subject, spec: Mapping[str, Any] | None) -> str | None:
    """Return why a need is not met, None where it is."""
    kind, _, value = need.partition(":")
    if kind == "mode":
        modes = (spec or {}).get("supported_destination_sync_modes") or []
        return None if value in modes else f"it does not support {value}"

    if need == "config":
        required = _required(spec) if subject.config is None else []
        return f"--config is not given, and the spec asks for {', '.join(required)}" if required else None

    has = {
        "spec": spec is not None,
        "bad_config": subject.bad_config is not None,
        "fault_config": subject.fault_config is not None,
        "expected_records": bool(subject.expected_records),
        "previous_spec": "spec" in subject.previous,
        "previous_catalog": "catalog" in subject.previous,
        "stored_spec": subject.stored_spec is not None,
        "metadata": subject.metadata is not None,
        "image": subject.is_image,
        "read_back": subject.read_back is not None,
        "socket": False,
    }
    return None if has[need] else _REASONS[need]


_REASONS = {
    "spec": "spec gave no SPEC",
    "bad_config": "--bad-config is not given",
    "fault_config": "--fault-config is not given",
    "expected_records": "--expected-records is not given",
    "previous_spec": "--previous gives no earlier spec",
    "previous_catalog": "--previous gives no earlier catalog",
    "stored_spec": "--spec is not given",
    "metadata": "--metadata is not given",
    "image": "it is no image",
    "read_back": "--read-back is not given: what was stored cannot be seen",
    "socket": "connectors are driven over standard input and output, not over sockets",
}
