"""The tables in which a cache keeps what it knows of itself.

`_airbyte_streams`, `_airbyte_state` and `_airbyte_destination_state` are PyAirbyte's, column by column. What their
keys cannot say is in tables of ours beside them, `_airbyte_exec_*`, which PyAirbyte does not look at. A cache file
of either can be opened and continued by the other.
"""

from __future__ import annotations

STREAMS = "_airbyte_streams"
STATE = "_airbyte_state"
DESTINATION_STATE = "_airbyte_destination_state"
EXEC_INFO = "_airbyte_exec_info"
EXEC_STREAMS = "_airbyte_exec_streams"
EXEC_STATE = "_airbyte_exec_state"
EXEC_JOURNAL = "_airbyte_exec_journal"
STAGING_PREFIX = "_airbyte_exec_staging_"

TABLES = {
    STREAMS: """
        stream_name VARCHAR, source_name VARCHAR, table_name VARCHAR NOT NULL, catalog_metadata VARCHAR,
        PRIMARY KEY (table_name)""",
    STATE: """
        source_name VARCHAR, stream_name VARCHAR, table_name VARCHAR NOT NULL, state_json VARCHAR,
        last_updated TIMESTAMP WITH TIME ZONE, PRIMARY KEY (table_name)""",
    DESTINATION_STATE: """
        destination_name VARCHAR NOT NULL, source_name VARCHAR NOT NULL, stream_name VARCHAR NOT NULL, state_json
        VARCHAR, last_updated TIMESTAMP WITH TIME ZONE, PRIMARY KEY (destination_name, source_name, stream_name)""",
    EXEC_INFO: "name VARCHAR, value BLOB",
    EXEC_STREAMS: """
        table_prefix VARCHAR, source_name VARCHAR, stream_name VARCHAR, namespace VARCHAR, table_name VARCHAR,
        configured VARCHAR, columns VARCHAR, generation_id BIGINT, staging_generation_id BIGINT, covered BIGINT,
        has_journal BOOLEAN""",
    EXEC_STATE: """
        destination_name VARCHAR, source_name VARCHAR, source_key VARCHAR, destination_key VARCHAR, table_prefix
        VARCHAR, kind VARCHAR, document VARCHAR, aliases VARCHAR, streams VARCHAR, mirrored VARCHAR,
        last_updated TIMESTAMP WITH TIME ZONE""",
    EXEC_JOURNAL: """
        seq BIGINT, table_prefix VARCHAR, source_name VARCHAR, stream_name VARCHAR, namespace VARCHAR,
        generation_id BIGINT, kind VARCHAR, records BIGINT, data BLOB""",
}
"""Every table that a cache has beside those of its streams, with its columns."""
