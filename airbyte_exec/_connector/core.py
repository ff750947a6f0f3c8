"""A connector with a config: spec, check, and what both sides have in common. The blocking face is `base`.

What is remembered is forgotten as soon as the config changes: by the caller, by a CONTROL message, or by a connector
that rewrites its config file. A check is never remembered here.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import anyio

from airbyte_exec import _portal
from airbyte_exec import exceptions as exc
from airbyte_exec._connector.config import Resolved, misfit, resolve_config, validate_against
from airbyte_exec._connector.documents import in_standard_json
from airbyte_exec._connector.options import DEFAULT_OPTIONS, SessionOptions, effective
from airbyte_exec.callbacks import ConfigChangeCallback
from airbyte_exec.executors.base import Executor
from airbyte_exec.secrets.marks import ALL_SECRET
from airbyte_exec.secrets.masking import Masker

if TYPE_CHECKING:
    from airbyte_exec._connector.opening import PreparedSession
    from airbyte_exec._connector.session import Session
    from airbyte_exec.protocol.models import AirbyteMessage, ConnectorSpecification

logger = logging.getLogger(__name__)


class ConnectorCore:
    """What a source and a destination have in common.

    Parameters:
        executor: what starts the connector.
        name: the connector's name.
        config: its config; references to secrets are resolved at each launch and never kept.
        config_change_callback: called in a worker thread with each config that the connector makes by itself.
        options: how the connector is run.
    """

    connector_type: ClassVar[Literal["source", "destination"]]

    def __init__(
        self,
        executor: Executor,
        name: str,
        config: Mapping[str, Any] | None = None,
        *,
        config_change_callback: ConfigChangeCallback | None = None,
        options: SessionOptions = DEFAULT_OPTIONS,
    ) -> None:
        self.executor = executor
        self.name = name
        self.config_change_callback = config_change_callback
        self.options = options
        self.on_own_config: list[Callable[[dict[str, Any]], Awaitable[None]]] = []
        """Awaited, before the callback, with each config that the connector makes by itself."""
        self._given: dict[str, Any] | None = None
        self._config: dict[str, Any] | None = None
        self.own_configs: list[dict[str, Any]] = []
        """What the connector has made of the config that the user gave, in order."""
        self._spec: ConnectorSpecification | None = None
        self._schema: Mapping[str, Any] | None = None  # it outlives the spec: it tells what is to be masked
        if config is not None:
            self.set_config(config)

    def set_config(self, config: Mapping[str, Any]) -> None:
        """Take a config as the user gives it; everything that was learnt with another one is forgotten."""
        self._given = copy.deepcopy(dict(config))
        self._config = copy.deepcopy(self._given)
        self.own_configs.clear()
        self._forget()

    @property
    def config(self) -> dict[str, Any]:
        """The config as it is now: the user's, or what the connector made of it.

        Raises:
            AirbyteConnectorConfigurationMissingError: there is none yet.
        """
        if self._config is None:
            raise exc.AirbyteConnectorConfigurationMissingError(
                connector_name=self.name, guidance="Give `config`, or call `set_config` first."
            )

        return self._config

    @property
    def has_config(self) -> bool:
        """Whether there is a config."""
        return self._config is not None

    @property
    def given_config(self) -> dict[str, Any]:
        """The config as the user gave it: the one that saved state belongs to."""
        return self._given if self._given is not None else self.config

    def resolved_config(self) -> dict[str, Any]:
        """Return the config with its secrets in it, as the connector is given it.

        Raises:
            PyAirbyteSecretNotFoundError: a reference leads nowhere.
        """
        return resolve_config(self.config, self._schema).config

    async def spec(self, *, refresh: bool = False) -> ConnectorSpecification:
        """Return the connector's specification; it is asked for once.

        Raises:
            AirbyteConnectorSpecFailedError: it cannot be had.
            AirbyteConnectorMissingSpecError: the connector sent none.
        """
        if self._spec is None or refresh:
            self._spec = await self._known_spec() or await self._asked_spec()
            self._schema = self._spec.connectionSpecification

        return self._spec

    async def _known_spec(self) -> ConnectorSpecification | None:
        known = await _portal.call(self.executor.known_spec, may_be_abandoned=self.executor.may_be_abandoned)
        if known is None:
            return None

        from airbyte_exec.protocol.models import ConnectorSpecification

        return ConnectorSpecification.model_validate(known)

    async def _asked_spec(self) -> ConnectorSpecification:
        await self.ensure_installation()
        found = await self._ask("spec", "spec", config=None)
        if found is None or found.spec is None:
            raise exc.AirbyteConnectorMissingSpecError(
                message=f"{self.name} ended without a SPEC message.", connector_name=self.name
            )

        spec = in_standard_json(found.spec, self.name, exc.AirbyteConnectorSpecFailedError)
        await anyio.to_thread.run_sync(self.executor.remember_spec, spec.to_bytes().decode("ascii"))
        return spec

    async def _marks(self) -> Mapping[str, Any]:
        """Return the schema that says which values of the config are secrets; where it cannot be had, all are."""
        if self._schema is None and self.config:  # in an empty one there is none
            with suppress(exc.PyAirbyteError):  # what is wrong with it is said where it is needed
                await self.spec()

            if self._spec is None:
                self._schema = ALL_SECRET

        return self._schema or {}

    async def validate_config(self, config: Mapping[str, Any] | None = None) -> None:
        """Check a config, or the one that is set, against the connector's spec.

        Raises:
            AirbyteConnectorValidationFailedError: it does not fit; the values of secrets are not said.
        """
        schema = (await self.spec()).connectionSpecification
        resolved = resolve_config(dict(config) if config is not None else self.config, schema)
        await anyio.to_thread.run_sync(validate_against, self.name, schema, resolved)

    async def check(self) -> None:
        """Let the connector check its config and its connection.

        Raises:
            AirbyteConnectorCheckFailedError: it says FAILED (the message is its own), or it could not be run.
        """
        await self.ensure_installation()
        async with self.open("check") as session:
            found = await answer(session, "connectionStatus")
            status = None if found is None else found.connectionStatus
            if status is not None and status.status.value == "SUCCEEDED" and not session.facts.errors:
                return

            if status is not None and status.message and status.status.value != "SUCCEEDED":
                # The connector itself says that it cannot work with this config: as the platform takes it.
                raise session.error(f"The check failed: {status.message}", failure_type="config_error")

            raise session.exit_error() or session.error(
                "The check failed, and it gave no reason."
                if status
                else "It ended without a CONNECTION_STATUS message."
            )

    async def ensure_installation(self) -> None:
        """Install the connector where that is needed and allowed."""
        await _portal.call(self.executor.ensure_installation, may_be_abandoned=self.executor.may_be_abandoned)

    @asynccontextmanager
    async def open(
        self,
        command: str,
        *,
        catalog: bytes | None = None,
        state: bytes | None = None,
        options: SessionOptions | None = None,
        with_config: bool = True,
    ) -> AsyncIterator[Session]:
        """Run a command of the connector for as long as the block lasts."""
        prepared = await self.prepare(command, catalog=catalog, state=state, options=options, with_config=with_config)
        async with prepared.run() as session:
            yield session

    async def prepare(
        self,
        command: str,
        *,
        catalog: bytes | None = None,
        state: bytes | None = None,
        options: SessionOptions | None = None,
        with_config: bool = True,
    ) -> PreparedSession:
        """Make a command of the connector ready to be started; what is returned must be run, or closed."""
        # Only here: a source that is merely named starts no process, and need not load what does.
        from airbyte_exec._connector.opening import prepare_session

        resolved = resolve_config(self.config, await self._marks()) if with_config else Resolved()
        prepared: PreparedSession | None = None

        async def take(config: dict[str, Any]) -> None:
            if prepared is not None and prepared.session is not None:
                prepared.session.mask_also(Masker.for_config(config, self._schema))

            await self._take_config(config)
            await self._look_at(config, None if prepared is None else prepared.session)

        prepared = await prepare_session(
            self.executor,
            command,
            config=resolved.config if with_config else None,
            catalog=catalog,
            state=state,
            options=effective(self.options) if options is None else options.over(self.options),
            on_config=take,
            masker=resolved.masker,
            secret_variables=resolved.secret_variables,
        )
        return prepared

    async def _ask(self, command: str, wanted: str, *, config: bool | None) -> AirbyteMessage | None:
        async with self.open(command, with_config=config is not None) as session:
            found = await answer(session, wanted)
            failure = session.exit_error()
            if failure is not None:
                raise failure

            return found

    async def _take_config(self, config: dict[str, Any]) -> None:
        """Take a config that the connector made, and tell the callback; what the callback raises fails the command."""
        self._config = config
        self.own_configs.append(config)
        self._forget()
        for listener in self.on_own_config:
            await listener(config)

        if self.config_change_callback is not None:
            await anyio.to_thread.run_sync(self.config_change_callback, copy.deepcopy(config))

    async def _look_at(self, config: Mapping[str, Any], session: Session | None) -> None:
        """Warn of a config that the connector made and that does not fit its spec, as far as the spec is known."""
        if self._schema is None:
            return

        warning = await anyio.to_thread.run_sync(misfit, self.name, self._schema, config)
        if warning is not None and (session is None or session.facts.warn(warning)):
            logger.warning("%s", warning)

    def _forget(self) -> None:
        self._spec = None


async def answer(session: Session, wanted: str) -> AirbyteMessage | None:
    """Read until the end of the output and return the first message of the wanted kind, or None.

    Parameters:
        wanted: the key of its payload, such as `spec`.

    Raises:
        AirbyteConnectorError: it takes longer than the limit of its command.
    """
    limit: float = getattr(session.options.limits, session.command)
    try:
        with anyio.fail_after(limit):
            async with aclosing(session.batches()) as batches:
                async for _ in batches:
                    pass

            await session.finish(exit_timeout=session.options.limits.exit)
    except TimeoutError:
        raise session.error(
            f"{session.command!r} did not end within {limit:g} s.",
            guidance=f"Set the time limit `{session.command}` higher if it may take that long.",
        ) from None

    return next((found for found in session.facts.answers if getattr(found, wanted) is not None), None)
