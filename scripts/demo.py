"""The main job, for real: source-faker from PyPI into a DuckDB file, by two child processes. Run by `make demo`.

Run it twice: the second run continues from the state that the first one committed, and says what it did not have to
read. Everything lies in one folder, `.demo/` unless another one is named: demo.py [FOLDER]. Remove it to begin anew.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(sys.argv[1] if sys.argv[1:] else Path(__file__).parents[1] / ".demo").resolve()
SOURCE = "pypi:airbyte-source-faker==7.2.1"
# always_updated is false: with its default, true, this source reads all of its rows anew each time, state or no state.
SOURCE_CONFIG = {"count": 1000, "records_per_slice": 100, "always_updated": False}
DESTINATION_CONFIG = {"path": "faker.duckdb"}


def sync() -> dict[str, Any]:
    """Run the command line as a user does, in the demo's folder, and return the result that it prints."""
    (HERE / "source.json").write_text(json.dumps(SOURCE_CONFIG), encoding="utf-8")
    (HERE / "destination.json").write_text(json.dumps(DESTINATION_CONFIG), encoding="utf-8")
    configs = ["--source-config", "source.json", "--destination-config", "destination.json"]
    command = ["airbyte-exec", "sync", SOURCE, "destination-local", *configs, "--json"]
    print("$", *command, flush=True)
    script = Path(sys.executable).with_name(command[0])
    done = subprocess.run([script, *command[1:]], cwd=HERE, stdout=subprocess.PIPE, encoding="utf-8", check=False)

    if done.returncode:
        sys.exit(done.returncode)

    result: dict[str, Any] = json.loads(done.stdout)["result"]
    return result


def count_rows() -> dict[str, int]:
    """Return the number of rows of each table that the destination made; nothing where there is no file yet."""
    import duckdb

    path = HERE / DESTINATION_CONFIG["path"]

    if not path.exists():
        return {}

    with duckdb.connect(str(path), read_only=True) as connection:
        tables = [name for (name,) in connection.sql("SHOW TABLES").fetchall() if not name.startswith("_")]
        return {name: connection.table(name).shape[0] for name in tables}


def main() -> None:
    """Sync, and show what was moved, what was not, and what is stored."""
    HERE.mkdir(exist_ok=True)
    before = count_rows()
    result = sync()
    after = count_rows()
    print(f"\nsource-faker -> destination-local: {result['processed_records']:,} records in this run")

    for stream in result["streams"]:
        name, there = stream["name"], before.get(stream["name"], 0)
        how = (
            f"continued from its state, {there:,} were there already" if stream["continued"] else "read from its start"
        )
        print(f"  {name:<10} {after.get(name, 0):>6,} rows: {stream['records_read']:,} read now, {how}")

    print(f"\nThe rows are in {HERE / DESTINATION_CONFIG['path']}")

    if all(stream["continued"] for stream in result["streams"]):
        kept = sum(before.values()) - result["processed_records"]
        print(f"{kept:,} rows did not have to be read again (the source is set to always_updated: false).")
    else:
        print("Run it again: it will continue from the committed state, and read nothing twice.")


if __name__ == "__main__":
    main()
