"""A config on its way to a connector: references to secrets resolved, checked against the spec, masked in all texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from airbyte_exec import exceptions as exc
from airbyte_exec._connector.bounds import EndlessSchemaError, bounded_keywords
from airbyte_exec.secrets.hydration import hydrate
from airbyte_exec.secrets.masking import Masker
from airbyte_exec.secrets.patterns import EndlessPatternError

if TYPE_CHECKING:
    from jsonschema import ValidationError

_MOST_ERRORS = 50
_LONGEST_RULE = 500  # characters


@dataclass(frozen=True, slots=True)
class Resolved:
    """A config with its secrets in it: never logged, never kept.

    Parameters:
        config: what is written for the connector.
        masker: replaces the secret values of this config in any text.
        secret_variables: environment variables that a secret was taken from.
    """

    config: dict[str, Any] = field(default_factory=dict, repr=False)
    masker: Masker = field(default_factory=Masker)
    secret_variables: frozenset[str] = frozenset()


def resolve_config(config: Mapping[str, Any], schema: Mapping[str, Any] | None) -> Resolved:
    """Resolve the references to secrets in a config.

    Parameters:
        config: the config as the user gave it.
        schema: the connector's `connectionSpecification`, which tells what is secret; None where it is not known.

    Raises:
        PyAirbyteSecretNotFoundError: a reference leads nowhere.
    """
    hydrated = hydrate(config)
    masker = Masker.for_config(hydrated.config, schema, secrets=hydrated.secret_values)
    return Resolved(hydrated.config, masker, hydrated.environment_variables)


def validate_against(connector_name: str, schema: Mapping[str, Any], resolved: Resolved) -> None:
    """Check a config against a spec, in bounded time, whatever the spec holds.

    Raises:
        AirbyteConnectorValidationFailedError: it does not fit. The path and the rule are said, a value never.
        AirbyteConnectorSpecFailedError: the spec is no JSON Schema that can be followed to its end.
    """
    from jsonschema import SchemaError
    from referencing.exceptions import Unresolvable

    public = {key: value for key, value in resolved.config.items() if not key.startswith("_")}
    reason: str | None = None
    errors: list[ValidationError] = []
    try:
        errors = _errors(schema, public)
    except SchemaError as error:
        reason = error.message
    except Unresolvable as error:
        reason = f"it refers to what is not in it: {error.ref}"
    except (EndlessPatternError, EndlessSchemaError) as error:
        reason = str(error)
    except RecursionError:
        reason = "it refers to itself without end"
    except (TypeError, ValueError, AttributeError, KeyError, LookupError) as error:  # keywords of a wrong type
        reason = type(error).__name__

    if reason is not None:  # not raised above: what hangs on it may hold the config
        raise exc.AirbyteConnectorSpecFailedError(
            message=f"The spec of {connector_name} is no JSON Schema that a config can be checked against: "
            f"{resolved.masker.mask(reason)[:_LONGEST_RULE]}",
            connector_name=connector_name,
        )

    if errors:
        raise exc.AirbyteConnectorValidationFailedError(
            message=f"The config does not fit the spec of {connector_name}.",
            connector_name=connector_name,
            context={_path(error): resolved.masker.mask(_rule(error))[:_LONGEST_RULE] for error in errors},
            guidance=f"`airbyte-exec spec {connector_name}` shows what the config may hold.",
        )


def misfit(connector_name: str, schema: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a config that a connector made by itself, or None where it fits.

    It is used all the same: a token in it may have taken the place of one that is worth nothing any more.
    """
    try:
        validate_against(connector_name, schema, Resolved(dict(config)))
    except exc.AirbyteConnectorValidationFailedError as error:
        found = "; ".join(f"{path}: {rule}" for path, rule in (error.context or {}).items())
        return f"{connector_name} made itself a config that does not fit its own spec ({found}). It is kept."
    except exc.AirbyteConnectorSpecFailedError:
        return None  # a spec that is none asks for nothing, and is told where a config of the user's is checked

    return None


def _errors(schema: Mapping[str, Any], config: Mapping[str, Any]) -> list[ValidationError]:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend, validator_for
    from referencing import Registry

    named = isinstance(schema.get("$schema"), str)
    kind = validator_for(schema, default=Draft202012Validator) if named else Draft202012Validator
    kind.check_schema(dict(schema))
    make: Any = extend
    bounded = make(kind, bounded_keywords(kind.VALIDATORS))
    # Without a registry of ours the library would fetch what the spec refers to.
    found = bounded(schema, registry=Registry()).iter_errors(config)
    return sorted(islice(found, _MOST_ERRORS), key=lambda error: [str(part) for part in error.absolute_path])


def _path(error: ValidationError) -> str:
    return "config" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)


def _rule(error: ValidationError) -> str:
    """Say what the rule asks for; jsonschema's own message would repeat the value, which may be a secret."""
    from jsonschema.exceptions import best_match

    wanted: Any = error.validator_value
    if error.validator == "required" and isinstance(error.instance, dict):
        missing = [name for name in wanted if name not in error.instance]
        return f"{', '.join(map(repr, missing))} is missing"

    if error.validator in ("oneOf", "anyOf") and (inner := best_match(error.context)) is not None:
        return f"fits none of the options; the nearest one says: {_path(inner)}: {_rule(inner)}"

    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
        return f"unknown: {', '.join(repr(name) for name in error.instance if name not in known)}"

    return f"breaks the rule {error.validator!r}: {wanted!r}"
