"""destination-local: an Airbyte destination that stores into a DuckDB file, or a folder of Parquet, JSONL or CSV.

It runs as a child process: `python -m airbyte_exec.connectors.destination_local spec|check|write …`. The way of a
record through it, module by module:

    command   the three commands, and what becomes of an error
    intake    stdin -> buffers by stream; decides when to flush, echoes the states whose rows are durable
    storage   what a format must do (a Protocol), and which format does it
    route     where the rows of a stream go in this run, and what happens at its end: pure, the same for every format
    tables    the DuckDB file (`database`): what is where (`register`), rows in (`loading`), `merging`, `evolving`
    folders   the folder formats: the way a folder is replaced at once; parts of JSONL (`lines`), of CSV and Parquet
              (`typed`)

Nothing here knows how the process was started. `docs/decisions/0008-destination-local.md` tells why it is built so.
"""

from __future__ import annotations
