"""A source, or both ends, from images: `python -m bench.drivers.images MODULE CASE SINK WORK`.

MODULE is `airbyte_exec` or `airbyte`. A connector sees a folder of WORK as /local; PyAirbyte does that by itself.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from bench.drivers.contestant import said
from bench.drivers.measured import measure

CONFIG = {"any": "thing"}  # an empty one is not looked at by PyAirbyte
SOURCE, DESTINATION = "airbyte-exec/source-bench:dev", "airbyte-exec/destination-bench:dev"


def prepare(module: str, case: str, sink: Path, work: Path) -> tuple[Any, Any]:
    """Return the source and the destination of a case: `image`, or `images` for two of them."""
    package = importlib.import_module(module)

    def options(name: str) -> dict[str, Any]:
        folder = work / name
        folder.mkdir(exist_ok=True)
        return {"docker_options": package.DockerOptions(local_mount=folder)} if module == "airbyte_exec" else {}

    source = package.get_source(
        "source-bench", config=CONFIG, docker_image=SOURCE, streams="*", **options("source-bench")
    )
    ends = {"local_executable": sink} if case == "image" else {"docker_image": DESTINATION}
    more = options("destination-bench") if case == "images" else {}
    return source, package.get_destination("destination-bench", config=CONFIG, **ends, **more)


if __name__ == "__main__":
    module_name, case_name, sink_path, work_folder = sys.argv[1:]

    def move() -> dict[str, Any]:
        """Do all of it, the making of the connectors too: there is PyAirbyte's first call of each."""
        source, destination = prepare(module_name, case_name, Path(sink_path), Path(work_folder))
        return said(destination.write(source, cache=False, state_cache=False))

    measure(move)
