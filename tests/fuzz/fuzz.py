"""Throws mutated output at the codec and holds it against `json`: `make fuzz N=100000 SEED=1`.

Of each output: nothing but a line past the bound is an error, nothing of it is lost, where it is cut means nothing, and
a line is a message only if `json.loads` and the rules of `protocol/README.md` say so, and the other way round. What
differs on purpose stands in `protocol_oracle.UNLIKE_JSON`. `heavy` are the inputs that a careless decoder takes
quadratic time or memory for; they run in a process whose CPU seconds and memory the kernel bounds.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from protocol_lines import LOG, ODD, RECORD, STATE, bytes_of, fed, joined
from protocol_oracle import as_json_says, is_taken

from airbyte_exec.protocol.codec import LineDecoder, LineTooLongError
from airbyte_exec.protocol.envelope import Malformed, Message

WIRE = Path(__file__).parent.parent.parent / "protocol" / "wire"
LONGEST_NUMBER = 4_000
"""Digits of a number, and levels of nesting (below), up to which `json.loads` is no judge of its own limits."""

DEEPEST = 400
PIECES = (
    b"", b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b" ", b"\t", b"\r", b"\n", b"\x00", b"\xff", b"\xc3",
    b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"NaN", b"-Infinity", b"1e400", b"-0", b"1.0", b"01", b"null", b"true",
    b'"\\ud800"', b'"\\u0000"', b"9" * 40, b'"type":"RECORD",', b'"type":"STATE",', b'"type":"LOG",', b'"record":{}',
    b'"stream":"x",', b'"data":{},', b'"emitted_at":1', b"//", b"/**/", b"'", b"\\u", b"DEBUG ", b"[[[[", b"]]]]",
)  # fmt: skip
BOUND = 8 << 20
"""Bytes of a heavy input."""

CHUNK = 1 << 20
"""Bytes of one read, as a pipe gives them."""

CPU_SECONDS = 60
MEMORY = 768 << 20
"""Bytes of address space: a few times the input, and the interpreter with its libraries."""


def corpus() -> list[bytes]:
    """Return the lines that mutations begin with."""
    examples = [
        json.loads(text)
        for path in sorted(WIRE.glob("*.jsonl"))
        for text in path.read_text(encoding="utf-8").splitlines()
    ]
    outputs = [example["output"].encode() for example in examples if isinstance(example["output"], str)]
    return [RECORD, STATE, LOG, *ODD, *(output.rstrip(b"\n") for output in outputs if len(output) < LONGEST_NUMBER)]


def mutated(dice: random.Random, lines: list[bytes]) -> bytes:
    """Return a line that is changed in a few places."""
    line = bytearray(dice.choice(lines))
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3, 8))):
        at = dice.randint(0, len(line))
        match dice.randint(0, 5):
            case 0:
                line[at : at + 1] = bytes([dice.randint(0, 255)])
            case 1:
                line[at:at] = dice.choice(PIECES)
            case 2:
                line[at : at + dice.randint(1, 8)] = dice.choice(PIECES)
            case 3:
                del line[at : at + dice.randint(1, 20)]
            case 4:
                line[at:at] = line[at : at + dice.randint(1, 40)]
            case _:
                other = dice.choice(lines)
                line[at:] = other[dice.randint(0, len(other)) :]

    return bytes(line).replace(b"\n", b"")


def check(output: bytes, dice: random.Random) -> None:
    """Check one output.

    Raises:
        AssertionError: something of the above does not hold.
    """
    whole = fed([output])
    lines = output.split(b"\n")
    kept = b"".join(line + b"\n" for line in lines if line and not line.isspace())
    assert b"".join(map(bytes_of, whole)) == kept, "bytes are lost"
    places = sorted({0, len(output), *(dice.randint(0, len(output)) for _ in range(3))})
    pieces = [output[start:end] for start, end in pairwise(places)]
    # By their texts: a count of NaN is not equal to itself.
    cut = joined(fed(pieces))
    assert list(map(repr, cut)) == list(map(repr, joined(whole))), "where it is cut means something"
    for item in whole:
        if isinstance(item, Message):
            item.decode()
        elif isinstance(item, Malformed):
            assert item.reason

    for line in lines:
        if is_judged(line):
            assert is_taken(line) == as_json_says(line), f"json says otherwise of {line!r}"

    longest = max(map(len, lines))
    assert longest <= 1 or is_refused(pieces, longest - 1), "a line past the bound is taken"


def is_refused(pieces: list[bytes], bound: int) -> bool:
    """Say whether a line passes the bound."""
    try:
        fed(pieces, max_line=bound)
    except LineTooLongError:
        return True

    return False


def is_judged(line: bytes) -> bool:
    """Say whether `as_json_says` judges a line: RECORD, LOG, STATE or no JSON, within the limits of `json.loads`."""
    try:
        found = json.loads(line.decode())
    except (ValueError, RecursionError):
        found = None

    if found is not None and not isinstance(found, dict):
        return True

    kind = None if found is None else found.get("type")
    if found is not None and kind not in ("RECORD", "STATE", "LOG"):
        return False

    return line.count(b"[") + line.count(b"{") < DEEPEST and len(line) < LONGEST_NUMBER


HEAVY: dict[str, Callable[[int], bytes]] = {
    "an open object": lambda n: b'{"type":"RECORD","record":' + b'{"a":' * (n // 5),
    "open arrays": lambda n: b"[" * n,
    "arrays": lambda n: b'{"type":"RECORD","record":{"data":{"a":' + b"[" * (n // 2) + b"]" * (n // 2),
    "backslashes": lambda n: b'{"type":"RECORD","record":{"stream":"' + b"\\" * n,
    "quotes": lambda n: b'{"type":"STATE","state":' + b'"' * n,
    "types": lambda n: b'"type":"RECORD"' * (n // 15),
    "halves of types": lambda n: b'{"type" ' + b'"type"   ' * (n // 9),
    "descriptors": lambda n: b'"type":"STATE"' + b'"stream_descriptor":{' * (n // 21),
    "streams": lambda n: b'"type":"RECORD"' + b'"stream":"' * (n // 10),
    "digits": lambda n: b'{"type":"RECORD","record":{"stream":"u","data":{"a":' + b"9" * n + b'},"emitted_at":1}}',
    "spaces": lambda n: b" " * n + b'{"type":"LOG"',
    "no UTF-8": lambda n: b'{"type":"RECORD","x":"' + b"\xff" * n + b'"}',
    "surrogates": lambda n: b'{"type":"STATE","state":{"data":{"a":"' + b"\\ud800" * (n // 6) + b'"}}}',
    "keys": lambda n: b'{"type":"LOG",' + b'"a":1,' * (n // 6) + b'"log":{}}',
    "empty lines": lambda n: b"\n" * (n // 8),
    "short lines": lambda n: b"{}\n" * (n // 24),
    "nearly records": lambda n: (RECORD[:-1] + b"\n") * (n // len(RECORD)),
    "carriage returns": lambda n: b"\r" * n,
    "noise before messages": lambda n: (b"DEBUG " + RECORD) * (n // (len(RECORD) + 6)),
}
"""Outputs by their size in bytes."""


def heavy(name: str) -> None:
    """Feed a heavy output, in this process; the kernel ends it where it takes too much."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    output, kept, decoder = HEAVY[name](BOUND), 0, LineDecoder()
    for start in range(0, len(output), CHUNK):
        kept += sum(len(bytes_of(item)) for item in decoder.feed(output[start : start + CHUNK]))

    kept += sum(len(bytes_of(item)) for item in decoder.end())
    wanted = output if output.endswith(b"\n") else output + b"\n"
    assert kept == (0 if wanted.isspace() else len(wanted)), "bytes are lost"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=100_000, help="outputs of the mutations")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--heavy", help="feed one heavy output, and nothing else; `all` for each in its own process")
    given = parser.parse_args()
    if given.heavy in HEAVY:
        heavy(given.heavy)
        return 0

    dice, lines = random.Random(given.seed), corpus()
    for number in range(given.number):
        output = b"\n".join(mutated(dice, lines) for _ in range(dice.choice((1, 1, 2, 5))))
        holds = False
        try:
            check(output, dice)
            holds = True
        finally:
            if not holds:
                print(f"output {number} of seed {given.seed}: {output!r}", flush=True)

    print(f"{given.number} outputs of seed {given.seed}", flush=True)
    if given.heavy == "all":
        for name in HEAVY:
            subprocess.run([sys.executable, __file__, "--heavy", name], check=True)

        print(f"{len(HEAVY)} heavy outputs of {BOUND >> 20} MiB")

    return 0


if __name__ == "__main__":
    sys.exit(main())
