"""PyAirbyte's public names, as data: each is used here, under the name that its users know.

Left out are Airbyte Cloud, MCP, agents, containers, manifests that run in this process, documents for language models,
and caches in other databases than DuckDB. Names that are missing are listed by themselves, and the list is held to what
is really missing: a name that is added must be moved. A generic cache would be one in another database; a processor is
what PyAirbyte writes rows with, one at a time, and nothing here does so.
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from mini import DESTINATION_MINI, SOURCE_MINI, destination_config, source_config, stream
from syncs import Lab, Scripted, opened_lab

import airbyte_exec as ab
from airbyte_exec import exceptions, executors, experimental, logs, registry, secrets
from airbyte_exec._state.provider import SavedStateProvider
from airbyte_exec.caches import CacheBase, DuckDBCache
from airbyte_exec.caches.generic import GenericSQLCacheConfig
from airbyte_exec.datasets import DatasetMap, LazyDataset, SQLDataset
from airbyte_exec.executors.noop import NoOpExecutor
from airbyte_exec.progress import ProgressStyle, ProgressTracker
from airbyte_exec.protocol.models import AirbyteMessage, AirbyteStateMessage
from airbyte_exec.results import ReadResult, WriteResult
from airbyte_exec.secrets import hydration, util
from airbyte_exec.shared.catalog_providers import CatalogProvider
from airbyte_exec.shared.state_providers import JoinedStateProvider, StateProviderBase, StaticInputState
from airbyte_exec.shared.state_writers import NoOpStateWriter, StateWriterBase, StdOutStateWriter
from airbyte_exec.sources import Source
from airbyte_exec.sources.util import get_connector

REGISTRY = {
    "sources": [
        {
            "dockerRepository": "airbyte/source-mini",
            "language": "python",
            "remoteRegistries": {"pypi": {"enabled": True, "packageName": "airbyte-source-mini"}},
            "externalDocumentationUrls": [{"title": "API", "url": "https://api/mini"}],
            "spec": {"connectionSpecification": {"type": "object"}},
        }
    ],
    "destinations": [],
}


class Home:
    """What the names are used with: made once, each part when it is first wanted."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    @cached_property
    def source(self) -> Source:
        source = self.lab.source(streams=[stream("users", records=20), stream("items", records=5)])
        source.select_all_streams()
        return source

    @cached_property
    def unrun(self) -> Source:
        return Source(NoOpExecutor("source-mini"), "source-mini", {})

    @cached_property
    def destination(self) -> ab.Destination:
        return self.lab.destination()

    @cached_property
    def cache(self) -> DuckDBCache:
        return DuckDBCache(db_path=self.lab.folder / "cache.duckdb")

    @cached_property
    def read(self) -> ReadResult:
        return self.source.read(self.cache)

    @cached_property
    def users(self) -> Any:
        return self.read["users"]

    @cached_property
    def written(self) -> WriteResult:
        return self.destination.write(self.source, cache=False)

    @cached_property
    def states(self) -> SavedStateProvider:
        return self.written.get_state_provider()

    @property
    def lazy(self) -> LazyDataset:
        return self.source.get_records("users")

    def bundled(self) -> ab.Destination:
        path = self.lab.folder / "local.duckdb"
        return ab.get_destination("destination-local", {"path": str(path), "format": "duckdb"})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("home")
        (folder / "registry.json").write_text(json.dumps(REGISTRY), encoding="utf-8")
        monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", str(folder / "registry.json"))
        monkeypatch.delenv("AIRBYTE_OFFLINE_MODE", raising=False)
        monkeypatch.setenv("A_SECRET", "the-value")
        monkeypatch.setattr(util, "_fetched", {})
        with opened_lab(folder, monkeypatch) as lab:
            opened = Home(lab)
            yield opened
            opened.cache.close()


def _secret_manager() -> Any:
    class Vault(secrets.CustomSecretManager):
        name = "vault"
        auto_register = False

        def get_secret(self, secret_name: str) -> secrets.SecretString | None:
            return secrets.SecretString('{"a": 1}') if secret_name == "IN_VAULT" else None

    return Vault()


def _handle(home: Home) -> secrets.SecretHandle:
    return secrets.SecretHandle(_secret_manager(), "IN_VAULT")


def _registered(home: Home) -> bool:
    from airbyte_exec.secrets.config import restore_secret_sources

    try:
        secrets.register_secret_manager(_secret_manager())
        found = secrets.get_secret("IN_VAULT", allow_prompt=False).parse_json() == {"a": 1}
        secrets.disable_secret_source("vault")
        gone = util.try_get_secret("IN_VAULT") is None
        secrets.clear_secret_sources()
        return found and gone and not util.is_secret_available("A_SECRET")
    finally:
        restore_secret_sources()


def _printed(home: Home) -> bool:
    path = home.lab.folder / "spec.yaml"
    home.source.print_config_spec("yaml", output_file=path)
    return "api_key" in path.read_text(encoding="utf-8")


def _registers(home: Home) -> bool:
    with DuckDBCache(db_path=home.lab.folder / "other.duckdb") as cache:
        cache.register_source(home.source.name, home.source.configured_catalog, {"users"})
        cache.create_source_tables(home.source, ["users"])
        return list(cache.streams) == ["users"]


def _set_config(home: Home) -> bool:
    source = home.lab.source()
    source.set_config(source_config(api_key="x-and-y"), validate=True)
    source.validate_config()
    return source.get_config()["api_key"] == "x-and-y"


def _streams_chosen(home: Home) -> bool:
    source = home.lab.source()
    source.set_streams(["users"])
    source.select_streams("*")
    source.select_all_streams()
    return source.get_selected_streams() == source.get_available_streams() == ["users"]


def _keys_set(home: Home) -> bool:
    source = home.lab.source(streams=[stream(cursor=None, source_defined_cursor=False, primary_key=None)])
    source.set_cursor_key("users", "updated_at")
    source.set_cursor_keys(users="updated_at")
    source.set_primary_key("users", "id")
    source.set_primary_keys(users=["id"])
    (entry,) = source.get_configured_catalog("*").streams
    return entry.cursor_field == ["updated_at"] and entry.primary_key == [["id"]]


def _installed(home: Home) -> bool:
    home.unrun.install()
    home.unrun.uninstall()
    return home.unrun.connector_version is None


def _callback(home: Home) -> bool:
    source = home.lab.source()
    source.config_change_callback = print
    return source.config_change_callback is print


def _closed(home: Home) -> bool:
    with DuckDBCache(db_path=home.lab.folder / "closed.duckdb") as cache:
        cache.execute_sql("CREATE OR REPLACE TABLE t (a INTEGER)")
        cache.dispose_engine()

    cache.close()
    return cache.run_sql_query("SELECT count(*) AS n FROM t") == [{"n": 0}]


def _warned(home: Home) -> bool:
    text = io.StringIO()
    logger = logging.getLogger("airbyte_exec.test")
    handler = logging.StreamHandler(text)
    logger.addHandler(handler)
    for _ in range(2):
        logs.warn_once("only once", logger)

    logger.removeHandler(handler)
    return text.getvalue() == "only once\n"


def _written_to_file(home: Home) -> bool:
    path = home.lab.folder / "secret.json"
    _handle(home).write_to_file(path, silent=True)
    return json.loads(path.read_text(encoding="utf-8")) == {"a": 1}


def _strategy(home: Home) -> bool:
    return [ab.WriteStrategy(name).value for name in ("merge", "append", "replace", "auto")] == [
        strategy.value for strategy in (ab.WriteStrategy.MERGE, ab.WriteStrategy.APPEND, ab.WriteStrategy.REPLACE,
                                        ab.WriteStrategy.AUTO)
    ]  # fmt: skip


def _method(home: Home) -> bool:
    found = {method.value: method.destination_sync_mode for method in ab.WriteMethod}
    return {k: str(getattr(v, "value", v)) for k, v in found.items()} == {
        "merge": "append_dedup", "append": "append", "replace": "overwrite",
    }  # fmt: skip


def _filtered(home: Home) -> bool:
    some = home.users.with_filter("id <= 5")
    return isinstance(some, SQLDataset) and len(some) == 5


def _lazy_used(home: Home) -> bool:
    records = home.lazy
    first = next(records)
    rest = records.fetch_all()
    records.close()
    return first["id"] == 1 and len(rest) == 19


def _record(home: Home) -> bool:
    record = next(iter(home.users))
    return isinstance(record, Mapping) and record["ID"] == record["id"]


def _hardcoded(home: Home) -> bool:
    return hydration.detect_hardcoded_secrets({"api_key": "x", "other": "y"}) == [["api_key"]]


def _merged(home: Home) -> bool:
    target: dict[str, Any] = {"a": {"b": 1}}
    hydration.deep_update(target, {"a": {"c": 2}})
    return target == {"a": {"b": 1, "c": 2}}


def _record_of_a_message(home: Home) -> bool:
    from airbyte_exec.protocol.models import AirbyteRecordMessage
    from airbyte_exec.records import StreamRecord, StreamRecordHandler

    handler = StreamRecordHandler(
        json_schema={"properties": {"userId": {}}}, normalize_keys=True, prune_extra_fields=True
    )
    message = AirbyteRecordMessage(stream="users", data={"userId": 7}, emitted_at=1)
    return StreamRecord.from_record_message(message, stream_record_handler=handler)["userid"] == 7


def _written(logger: logging.Logger) -> bool:
    """Write a line, look for it in the file, and let go of the file."""
    (handler,) = logger.handlers
    assert isinstance(handler, logging.FileHandler)
    logger.info("a line")
    logger.removeHandler(handler)
    handler.close()
    return "a line" in Path(handler.baseFilename).read_text(encoding="utf-8")


def _old_name(home: Home) -> Source:
    with pytest.warns(DeprecationWarning, match="get_source"):
        return get_connector("source-mini", local_executable=SOURCE_MINI)


def _samples_printed(home: Home) -> bool:
    text = io.StringIO()
    with redirect_stdout(text):
        home.source.print_samples(["users"], limit=2)

    return "users: 2 records" in text.getvalue()


def _client_used(home: Home) -> bool:
    with home.cache.get_vendor_client() as client:
        return client.sql("SELECT 1").fetchall() == [(1,)]


def _message() -> AirbyteStateMessage:
    body = {"stream_descriptor": {"name": "users"}, "stream_state": {}}
    return AirbyteStateMessage.model_validate({"type": "STREAM", "stream": body})


def _states_of_a_cache(home: Home) -> bool:
    home.cache.get_state_writer("source-other", "destination-other").write_state(_message())
    provider = home.cache.get_state_provider("source-other", destination_name="destination-other")
    return provider.known_stream_names == {"users"}


def _state_written(home: Home) -> bool:
    writer = NoOpStateWriter()
    writer.write_state(_message())
    return writer.get_stream_state("users") == {}


def _joined(home: Home) -> JoinedStateProvider:
    return JoinedStateProvider(StaticInputState([]), StaticInputState([_message()]))


def _catalog_asked(home: Home) -> bool:
    provider = CatalogProvider.from_read_result(home.read)
    (entry,) = provider.with_write_strategy(ab.WriteStrategy.REPLACE).configured_catalog.streams[:1]
    return provider.get_primary_keys("users") == ["id"] and entry.destination_sync_mode.value == "overwrite"


def _processed(home: Home) -> bool:
    message = AirbyteMessage.model_validate(
        {"type": "RECORD", "record": {"stream": "users", "data": {"id": 1}, "emitted_at": 1}}
    )
    with DuckDBCache(":memory:") as cache:
        processor = cache.get_record_processor("source-own", CatalogProvider(home.source.configured_catalog))
        processor.process_airbyte_messages([message])
        return len(cache["users"]) == 1


# fmt: off
TRACKER = [
    "tally_records_read", "tally_pending_writes", "tally_confirmed_writes", "tally_bytes_read",
    "log_stream_start", "log_read_complete", "log_batch_written", "log_batches_finalizing", "log_batches_finalized",
    "log_stream_finalized", "log_cache_processing_complete", "log_success", "log_failure", "reset_progress_style",
    "total_records_read", "total_bytes_read", "total_megabytes_read",
    "total_destination_records_delivered", "total_destination_records_confirmed",
    "destination_records_delivered_per_second",
    "elapsed_seconds", "elapsed_seconds_since_last_update", "elapsed_time_string",
    "elapsed_read_seconds", "elapsed_read_time_string",
    "elapsed_finalization_seconds", "elapsed_finalization_time_str",
    "total_time_elapsed_seconds", "total_time_elapsed_str",
    "total_destination_write_time_seconds", "total_destination_write_time_str",
]
# fmt: on


def _tracked(name: str) -> Callable[[Home], Any]:
    """Use a member of the tracker; what it counts is told by tests/test_progress.py."""
    arguments: dict[str, tuple[Any, ...]] = {
        "tally_records_read": ([],),
        "tally_pending_writes": ([],),
        "tally_confirmed_writes": ([],),
        "tally_bytes_read": (7, "users"),
        "log_stream_start": ("users",),
        "log_failure": (ValueError("x"),),
        "log_batch_written": ("users", 3),
        "log_batches_finalizing": ("users", 1),
        "log_batches_finalized": ("users", 1),
        "log_stream_finalized": ("users",),
        "reset_progress_style": (ProgressStyle.NONE,),
    }

    def use(home: Home) -> bool:
        member = getattr(ProgressTracker(ProgressStyle.NONE), name)
        if not callable(member):
            return member is None or isinstance(member, int | float | str)

        found = member(*arguments.get(name, ()))
        return found is None or list(found) == []

    return use


def _no_colab(home: Home) -> bool:
    # Only a notebook on Colab has a drive: tests/caches/test_colab.py stands in for one.
    with pytest.raises(exceptions.PyAirbyteInputError, match="not Google Colab"):
        ab.get_colab_cache()

    return True


def _no_credentials(home: Home) -> bool:
    # The service is not here: tests/secrets/test_google.py stands in for it.
    with pytest.raises(exceptions.PyAirbyteInputError, match="not both"):
        secrets.GoogleGSMSecretManager("p", credentials_json="{}", credentials_path="x")

    return True


def _not_validated(home: Home) -> bool:
    # An installation takes long: tests/test_validate.py has one.
    with pytest.raises(exceptions.PyAirbyteInputError, match="A config is needed"):
        import_module("airbyte_exec.validate").validate(_connector_folder(home))

    return True


def _connector_folder(home: Home) -> Path:
    path = home.lab.folder / "connector" / "metadata.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("data: {dockerRepository: airbyte/source-mini}", encoding="utf-8")
    return path.parent


def _history_asked(home: Home) -> bool:
    # There is no documentation of this one: tests/test_registry_history.py has a page.
    with pytest.raises(exceptions.AirbyteConnectorNotRegisteredError):
        registry.get_connector_version_history("source-unknown")

    return True


def _made_of_an_image(make: Callable[[], Any]) -> bool:
    # With an engine it is made, and what it does there is told by tests/docker; without one the error says so.
    try:
        return str(make().name) in ("source-e2e-test", "destination-dev-null")
    except exceptions.AirbyteConnectorExecutableNotFoundError as error:
        return "engine" in str(error)


USES: dict[str, Callable[[Home], Any]] = {
    # airbyte
    "airbyte_exec.get_source": lambda h: ab.get_source("source-mini", {}, local_executable=SOURCE_MINI).name,
    "airbyte_exec.get_destination": lambda h: ab.get_destination("d", {}, local_executable=DESTINATION_MINI).name,
    "airbyte_exec.get_secret": lambda h: ab.get_secret("A_SECRET") == "the-value",
    "airbyte_exec.get_available_connectors": lambda h: ab.get_available_connectors(),
    "airbyte_exec.get_default_cache": lambda h: ab.get_default_cache().name,
    "airbyte_exec.new_local_cache": lambda h: ab.new_local_cache("mine").name,
    "airbyte_exec.CachedDataset": lambda h: isinstance(h.users, ab.CachedDataset),
    "airbyte_exec.Destination": lambda h: ab.Destination(Scripted(DESTINATION_MINI), "d", destination_config()).name,
    "airbyte_exec.DuckDBCache": lambda h: ab.DuckDBCache(db_path=h.lab.folder / "new.duckdb").name,
    "airbyte_exec.ReadResult": lambda h: isinstance(h.read, ab.ReadResult),
    "airbyte_exec.SecretSourceEnum": lambda h: [ab.SecretSourceEnum(s.value) for s in ab.SecretSourceEnum],
    "airbyte_exec.Source": lambda h: ab.Source(Scripted(SOURCE_MINI), "s", {}).name,
    "airbyte_exec.StreamRecord": _record,
    "airbyte_exec.WriteResult": lambda h: isinstance(h.written, ab.WriteResult),
    "airbyte_exec.sources.ConnectorMetadata": lambda h: ab.sources.ConnectorMetadata,
    "airbyte_exec.sources.get_connector_metadata": lambda h: ab.sources.get_connector_metadata("source-mini"),
    "airbyte_exec.sources.util.get_source": lambda h: (
        import_module("airbyte_exec.sources.util").get_source is ab.get_source
    ),
    "airbyte_exec.destinations.util.get_destination": (
        lambda h: import_module("airbyte_exec.destinations.util").get_destination is ab.get_destination
    ),
    "airbyte_exec.destinations.base.Destination": (
        lambda h: import_module("airbyte_exec.destinations.base").Destination is ab.Destination
    ),
    "airbyte_exec.version.get_version": lambda h: ab.get_version() == ab.__version__,
    "airbyte_exec.callbacks.ConfigChangeCallback": lambda h: (
        import_module("airbyte_exec.callbacks").ConfigChangeCallback
    ),
    "airbyte_exec.strategies.WriteStrategy": _strategy,
    "airbyte_exec.strategies.WriteMethod": _method,
    "airbyte_exec.constants.AB_RAW_ID_COLUMN": lambda h: ab.constants.AB_RAW_ID_COLUMN == "_airbyte_raw_id",
    # a connector
    "Source.connector_type": lambda h: h.source.connector_type == "source",
    "Source.name": lambda h: h.source.name == "source-mini",
    "Source.config_change_callback": _callback,
    "Source.executor": lambda h: h.source.executor,
    "Source.set_config": _set_config,
    "Source.get_config": lambda h: h.source.get_config()["streams"],
    "Source.config_hash": lambda h: h.source.config_hash,
    "Source.validate_config": _set_config,
    "Source.config_spec": lambda h: h.source.config_spec["properties"],
    "Source.print_config_spec": _printed,
    "Source.docs_url": lambda h: h.source.docs_url,
    "Source.connector_version": _installed,
    "Source.check": lambda h: h.source.check() is None,
    "Source.install": _installed,
    "Source.uninstall": _installed,
    # a source
    "Source.select_streams": _streams_chosen,
    "Source.select_all_streams": _streams_chosen,
    "Source.get_selected_streams": _streams_chosen,
    "Source.set_streams": _streams_chosen,
    "Source.get_available_streams": _streams_chosen,
    "Source.set_cursor_key": _keys_set,
    "Source.set_cursor_keys": _keys_set,
    "Source.set_primary_key": _keys_set,
    "Source.set_primary_keys": _keys_set,
    "Source.discovered_catalog": lambda h: h.source.discovered_catalog.streams,
    "Source.configured_catalog": lambda h: h.source.configured_catalog.streams,
    "Source.get_configured_catalog": lambda h: (
        h.source.get_configured_catalog(["users"], force_full_refresh=True).streams
    ),
    "Source.get_stream_json_schema": lambda h: h.source.get_stream_json_schema("users")["properties"],
    "Source.get_records": lambda h: len(list(h.source.get_records("users", limit=7, normalize_field_names=True))) == 7,
    "Source.get_samples": lambda h: len(h.source.get_samples(["users"], limit=3)["users"]) == 3,
    "Source.read": lambda h: len(h.read) == 2,
    "Source.print_samples": _samples_printed,
    # a destination
    "Destination.write": lambda h: h.written.processed_records == 25,
    "Destination.is_cache_supported": lambda h: h.bundled().is_cache_supported and not h.destination.is_cache_supported,
    "Destination.get_sql_cache": lambda h: isinstance(h.bundled().get_sql_cache(), CacheBase),
    # results
    "ReadResult.__getitem__": lambda h: len(h.read["users"]) == 20,
    "ReadResult.__contains__": lambda h: "users" in h.read and "nobody" not in h.read,
    "ReadResult.__iter__": lambda h: sorted(h.read) == ["items", "users"],
    "ReadResult.__len__": lambda h: len(h.read) == 2,
    "ReadResult.get_sql_engine": lambda h: h.read.get_sql_engine().url,
    "ReadResult.processed_records": lambda h: h.read.processed_records == 25,
    "ReadResult.streams": lambda h: h.read.streams["users"] == h.read["users"],
    "ReadResult.cache": lambda h: h.read.cache is h.cache,
    "ReadResult.source_name": lambda h: h.read.source_name == "source-mini",
    "WriteResult.processed_records": lambda h: h.written.processed_records == 25,
    "WriteResult.get_state_provider": lambda h: h.states,
    # state
    "StateProvider.stream_state_artifacts": lambda h: h.states.stream_state_artifacts,
    "StateProvider.state_message_artifacts": lambda h: list(h.states.state_message_artifacts),
    "StateProvider.known_stream_names": lambda h: h.states.known_stream_names == {"users", "items"},
    "StateProvider.to_state_input_file_text": lambda h: json.loads(h.states.to_state_input_file_text()),
    "StateProvider.get_stream_state": lambda h: h.states.get_stream_state("users")["id"] == 20,
    # datasets and records
    "airbyte_exec.datasets.DatasetBase": lambda h: import_module("airbyte_exec.datasets").DatasetBase,
    "airbyte_exec.datasets.DatasetMap": lambda h: list(DatasetMap({"users": h.users})) == ["users"],
    "airbyte_exec.datasets.LazyDataset": _lazy_used,
    "airbyte_exec.datasets.SQLDataset": _filtered,
    "CachedDataset.__iter__": lambda h: len(list(h.users)) == 20,
    "CachedDataset.__len__": lambda h: len(h.users) == 20,
    "CachedDataset.to_pandas": lambda h: len(h.users.to_pandas()) == 20,
    "CachedDataset.to_arrow": lambda h: h.users.to_arrow(max_chunk_size=7).count_rows() == 20,
    "CachedDataset.column_names": lambda h: "id" in h.users.column_names,
    "CachedDataset.stream_name": lambda h: h.users.stream_name == "users",
    "CachedDataset.with_filter": _filtered,
    "CachedDataset.to_sql_table": lambda h: h.users.to_sql_table().columns["id"] is not None,
    "CachedDataset.__eq__": lambda h: h.users == h.read["users"] and h.users != h.read["items"],
    "CachedDataset.__hash__": lambda h: hash(h.users) == hash(h.read["users"]),
    "LazyDataset.__next__": _lazy_used,
    "LazyDataset.fetch_all": _lazy_used,
    "LazyDataset.close": _lazy_used,
    "airbyte_exec.records.StreamRecordHandler": _record_of_a_message,
    "StreamRecord.from_record_message": _record_of_a_message,
    # caches
    "CacheBase.close": _closed,
    "CacheBase.__enter__": _closed,
    "CacheBase.execute_sql": _closed,
    "CacheBase.dispose_engine": _closed,
    "CacheBase.config_hash": lambda h: h.cache.config_hash,
    "CacheBase.run_sql_query": lambda h: len(h.cache.run_sql_query("SELECT 1 AS a", max_records=1)) == 1,
    "CacheBase.get_records": lambda h: h.read and len(h.cache.get_records("users")) == 20,
    "CacheBase.get_pandas_dataframe": lambda h: h.read and len(h.cache.get_pandas_dataframe("users")) == 20,
    "CacheBase.get_arrow_dataset": lambda h: h.read and h.cache.get_arrow_dataset("users").count_rows() == 20,
    "CacheBase.streams": lambda h: h.read and set(h.cache.streams) == {"users", "items"},
    "CacheBase.__len__": lambda h: h.read and len(h.cache) == 2,
    "CacheBase.__bool__": lambda h: bool(h.cache),
    "CacheBase.__getitem__": lambda h: h.read and h.cache["users"] == h.users,
    "CacheBase.__contains__": lambda h: h.read and "users" in h.cache,
    "CacheBase.__iter__": lambda h: h.read and [name for name, _ in h.cache] == ["users", "items"],
    "CacheBase.register_source": _registers,
    "CacheBase.create_source_tables": _registers,
    "CacheBase.fetch_table_statistics": lambda h: h.read and h.cache.fetch_table_statistics(["users"])["users"],
    "CacheBase.get_sql_engine": lambda h: h.cache.get_sql_engine() is h.cache.get_sql_engine(),
    "CacheBase.get_sql_alchemy_url": lambda h: str(h.cache.get_sql_alchemy_url()).startswith("duckdb"),
    "CacheBase.get_database_name": lambda h: h.cache.get_database_name() == "cache",
    "CacheBase.get_vendor_client": _client_used,
    "CacheBase.paired_destination_name": lambda h: h.cache.paired_destination_name == "destination-duckdb",
    "CacheBase.paired_destination_config": lambda h: h.cache.paired_destination_config["destination_path"],
    "CacheBase.get_state_provider": _states_of_a_cache,
    "CacheBase.get_state_writer": _states_of_a_cache,
    "CacheBase.processor": lambda h: h.read and h.cache.processor.get_sql_table_name("users") == "users",
    "CacheBase.get_record_processor": _processed,
    "airbyte_exec.caches.CacheBase.processor": lambda h: h.read and h.cache.processor.fetch_row_count("users") == 20,
    "airbyte_exec.caches.CacheBase.get_record_processor": _processed,
    "airbyte_exec.caches.generic.GenericSQLCacheConfig": lambda h: (
        GenericSQLCacheConfig(sql_alchemy_url="duckdb:///:memory:").run_sql_query("SELECT 1 AS a") == [{"a": 1}]
    ),
    "airbyte_exec.get_colab_cache": _no_colab,
    "airbyte_exec.caches.get_colab_cache": _no_colab,
    # what they share
    "airbyte_exec.shared.state_providers.StateProviderBase": lambda h: isinstance(h.states, StateProviderBase),
    "airbyte_exec.shared.state_providers.StaticInputState": lambda h: _joined(h).known_stream_names == {"users"},
    "airbyte_exec.shared.state_providers.JoinedStateProvider": lambda h: _joined(h).get_stream_state("users") == {},
    "airbyte_exec.shared.state_writers.StateWriterBase": lambda h: issubclass(NoOpStateWriter, StateWriterBase),
    "airbyte_exec.shared.state_writers.NoOpStateWriter": _state_written,
    "airbyte_exec.shared.state_writers.StdOutStateWriter": lambda h: StdOutStateWriter().known_stream_names == set(),
    "airbyte_exec.shared.catalog_providers.CatalogProvider": _catalog_asked,
    "airbyte_exec.progress.ProgressTracker": lambda h: ProgressTracker(ProgressStyle.NONE).total_records_read == 0,
    **{f"ProgressTracker.{name}": _tracked(name) for name in TRACKER},
    "airbyte_exec.progress.ProgressStyle": lambda h: (
        {style.name for style in ProgressStyle}
        == {
            "AUTO",
            "RICH",
            "IPYTHON",
            "PLAIN",
            "NONE",
        }
    ),
    "airbyte_exec.validate.validate": _not_validated,
    "airbyte_exec.validate.run": lambda h: callable(import_module("airbyte_exec.validate").run),
    # secrets
    "airbyte_exec.secrets.ColabSecretManager": lambda h: secrets.ColabSecretManager().get_secret("x") is None,
    "airbyte_exec.secrets.GoogleGSMSecretManager": _no_credentials,
    "airbyte_exec.secrets.get_secret": lambda h: secrets.get_secret("A_SECRET", sources=["env"]) == "the-value",
    "airbyte_exec.secrets.SecretString": lambda h: (
        "the" not in repr(secrets.SecretString("the")) and secrets.SecretString("")
    ),
    "SecretString.is_empty": lambda h: secrets.SecretString("").is_empty(),
    "SecretString.is_json": lambda h: secrets.SecretString("{}").is_json(),
    "SecretString.parse_json": lambda h: secrets.SecretString('{"a": 1}').parse_json() == {"a": 1},
    "airbyte_exec.secrets.SecretHandle": lambda h: _handle(h).secret_name == "IN_VAULT",
    "SecretHandle.get_value": lambda h: _handle(h).get_value() == '{"a": 1}',
    "SecretHandle.parse_json": lambda h: _handle(h).parse_json() == {"a": 1},
    "SecretHandle.write_to_file": _written_to_file,
    "airbyte_exec.secrets.SecretManager": lambda h: isinstance(_secret_manager(), secrets.SecretManager),
    "airbyte_exec.secrets.CustomSecretManager": lambda h: _secret_manager().get_secret("IN_VAULT"),
    "airbyte_exec.secrets.EnvVarSecretManager": lambda h: secrets.EnvVarSecretManager().get_secret("A_SECRET"),
    "airbyte_exec.secrets.DotenvSecretManager": lambda h: secrets.DotenvSecretManager().get_secret("NOT_THERE") is None,
    "airbyte_exec.secrets.SecretsPrompt": lambda h: str(secrets.SecretsPrompt()),
    "airbyte_exec.secrets.register_secret_manager": _registered,
    "airbyte_exec.secrets.disable_secret_source": _registered,
    "airbyte_exec.secrets.clear_secret_sources": _registered,
    "airbyte_exec.secrets.util.is_secret_available": lambda h: util.is_secret_available("A_SECRET"),
    "airbyte_exec.secrets.util.try_get_secret": lambda h: util.try_get_secret("NOT_THERE", default="x") == "x",
    "airbyte_exec.secrets.hydration.hydrate_secrets": (
        lambda h: hydration.hydrate_secrets({"a": "secret_reference::A_SECRET"}) == {"a": "the-value"}
    ),
    "airbyte_exec.secrets.hydration.deep_update": lambda h: (
        hydration.deep_update({"a": {"b": 1}}, {"a": {"c": 2}}) is not False
    ),
    "airbyte_exec.secrets.hydration.detect_hardcoded_secrets": lambda h: hydration.detect_hardcoded_secrets,
    # registry, executors, logs
    "airbyte_exec.registry.get_connector_metadata": lambda h: registry.get_connector_metadata("source-mini").name,  # type: ignore[union-attr]
    "airbyte_exec.registry.get_available_connectors": (
        lambda h: registry.get_available_connectors(registry.InstallType.PYTHON) == ["source-mini"]
    ),
    "airbyte_exec.registry.get_connector_api_docs_urls": lambda h: registry.get_connector_api_docs_urls("source-mini"),
    "airbyte_exec.registry.get_connector_version_history": _history_asked,
    "airbyte_exec.registry.ConnectorMetadata": lambda h: registry.ConnectorMetadata,
    "airbyte_exec.registry.InstallType": lambda h: [kind.value for kind in registry.InstallType],
    "airbyte_exec.registry.Language": lambda h: [language.value for language in registry.Language],
    "airbyte_exec.executors.Executor": lambda h: isinstance(h.source.executor, executors.Executor),
    "airbyte_exec.executors.VenvExecutor": lambda h: executors.VenvExecutor("source-x", install_root=h.lab.folder).name,
    "airbyte_exec.executors.PathExecutor": lambda h: executors.PathExecutor(path=SOURCE_MINI).name,
    "airbyte_exec.executors.NoOpExecutor": lambda h: executors.NoOpExecutor("source-mini").known_spec(),
    "airbyte_exec.logs.warn_once": _warned,
    "airbyte_exec.logs.AIRBYTE_LOGGING_ROOT": lambda h: logs.get_logging_root() == logs.AIRBYTE_LOGGING_ROOT,
    "airbyte_exec.logs.AIRBYTE_STRUCTURED_LOGGING": lambda h: logs.AIRBYTE_STRUCTURED_LOGGING is False or None,
    "airbyte_exec.logs.get_global_file_logger": lambda h: _written(logs.get_global_file_logger()),
    "airbyte_exec.logs.get_global_stats_log_path": lambda h: (
        logs.get_global_stats_log_path().name == "airbyte-stats.log"
    ),
    "airbyte_exec.logs.get_global_stats_logger": lambda h: _written(logs.get_global_stats_logger()),
    "airbyte_exec.logs.new_passthrough_file_logger": lambda h: _written(
        logs.new_passthrough_file_logger("source-mini")
    ),
    "airbyte_exec.sources.get_benchmark_source": lambda h: _made_of_an_image(
        lambda: ab.sources.get_benchmark_source("1e3", install_if_missing=False)
    ),
    "airbyte_exec.destinations.get_noop_destination": lambda h: _made_of_an_image(
        lambda: ab.destinations.get_noop_destination(install_if_missing=False)
    ),
    "airbyte_exec.experimental.get_source": lambda h: experimental.get_source is ab.get_source,
    "airbyte_exec.sources.util.get_connector": lambda h: _old_name(h).name == "source-mini",
}

ERRORS = [
    "PyAirbyteError",
    "PyAirbyteInternalError",
    "PyAirbyteInputError",
    "PyAirbyteNoStreamsSelectedError",
    "PyAirbyteNameNormalizationError",
    "PyAirbyteCacheError",
    "PyAirbyteCacheTableValidationError",
    "AirbyteConnectorConfigurationMissingError",
    "AirbyteSubprocessError",
    "AirbyteSubprocessFailedError",
    "AirbyteConnectorRegistryError",
    "AirbyteConnectorNotRegisteredError",
    "AirbyteConnectorNotPyPiPublishedError",
    "AirbyteConnectorError",
    "AirbyteConnectorExecutableNotFoundError",
    "AirbyteConnectorInstallationError",
    "AirbyteConnectorReadError",
    "AirbyteConnectorWriteError",
    "AirbyteConnectorSpecFailedError",
    "AirbyteConnectorDiscoverFailedError",
    "AirbyteNoDataFromConnectorError",
    "AirbyteConnectorMissingCatalogError",
    "AirbyteConnectorMissingSpecError",
    "AirbyteConnectorValidationFailedError",
    "AirbyteConnectorCheckFailedError",
    "AirbyteConnectorFailedError",
    "AirbyteStreamNotFoundError",
    "AirbyteStateNotFoundError",
    "PyAirbyteSecretNotFoundError",
]

WARNINGS = ["PyAirbyteWarning", "PyAirbyteDataLossWarning", "AirbyteExperimentalFeatureWarning"]


@pytest.mark.parametrize("name", USES)
def test_a_name_works(home: Home, name: str) -> None:
    assert USES[name](home) is not False


@pytest.mark.parametrize("name", [name for name in USES if name.startswith("airbyte_exec.")])
def test_a_name_is_where_its_users_look(name: str) -> None:
    assert _is_there(name)


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_made_raised_and_told(name: str) -> None:
    kind = getattr(exceptions, name)

    with pytest.raises(exceptions.PyAirbyteError, match="it broke") as caught:
        raise kind(message="it broke", guidance="mend it", context={"what": "that"})

    assert caught.value.get_message() == "it broke"
    assert "mend it" in str(caught.value)
    assert caught.value.safe_logging_dict()["class"] == name


@pytest.mark.parametrize("name", WARNINGS)
def test_a_warning_is_one(name: str) -> None:
    with pytest.warns(getattr(exceptions, name), match="careful"):
        warnings.warn("careful", getattr(exceptions, name), stacklevel=1)


def test_errors_are_the_kinds_of_errors_that_they_were() -> None:
    assert issubclass(exceptions.PyAirbyteInputError, ValueError)
    assert issubclass(exceptions.AirbyteStateNotFoundError, KeyError)
    assert issubclass(exceptions.AirbyteConnectorReadError, exceptions.AirbyteConnectorError)
    assert issubclass(exceptions.AirbyteExperimentalFeatureWarning, FutureWarning)


def test_every_exported_name_is_there_and_the_list_is_sorted() -> None:
    assert ab.__all__ == sorted(ab.__all__)
    assert [name for name in ab.__all__ if not hasattr(ab, name)] == []


def _is_there(name: str) -> bool:
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue

        for part in parts[cut:]:
            if not hasattr(found, part):
                return False

            found = getattr(found, part)

        return True

    return False
