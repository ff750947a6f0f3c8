"""The SELECT that makes typed rows of RECORD lines.

DuckDB parses each line once (`json_transform`) and gives every property as text; a cast makes the type of it. A
property whose text is there and whose value is not, is a misfit. One expression asks whether a row has any; for such a
row alone a list is made that names them, for its `_airbyte_meta`. Nothing in here can fail on what a line holds: what
DuckDB cannot parse gives no row, and the writer looks at it again.

Integers are cast from text because DuckDB would round 1.5 to 2 and take `true` for 1. Decimals are not: there the
JSON parser reads the digits themselves, while its text of a fraction has gone through a double.
"""

# ruff: noqa: S608 - names are quoted by `ident`, values are parameters

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from airbyte_exec.caches._schema import Column
from airbyte_exec.caches._sql import ident, listed, literal
from airbyte_exec.records import EXTRACTED_AT, META, RAW_ID

PIECES = "_airbyte_exec_pieces"
"""The name under which the pieces are registered at the connection."""

LINES = f"""
    SELECT unnest(lines) AS line, prefix, piece, unnest(range(len(lines))) AS n
    FROM (SELECT string_split(text, chr(10)) AS lines, prefix, piece FROM {PIECES})
"""

_INTEGERS = ("HUGEINT", "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "UHUGEINT")
_EXACT_IN_DOUBLE = 2**53
_FIT_ALL = ("VARCHAR", "JSON")
_BEGINS_WITH_DIGIT = "ascii({}) BETWEEN 45 AND 57"  # or with a minus


def structure(columns: Sequence[Column]) -> str:
    """Return the structure that lines are transformed to, as JSON."""
    apart = _apart(columns)
    wanted: dict[str, object] = {"emitted_at": "BIGINT", "meta": "JSON"}
    if len(apart) < len(columns):
        wanted["data"] = {c.key: c.type if _is_direct(c.type) else "VARCHAR" for c in columns if c.key not in apart}

    return json.dumps({"record": wanted}, ensure_ascii=False)


def parsed(columns: Sequence[Column]) -> str:
    """Return the SELECT of every line and its `r`, which is NULL where DuckDB cannot parse the line."""
    transformed = f"TRY(json_transform(line, {literal(structure(columns))})).record"
    # A filter on `r` is pushed below this SELECT, where every line would be parsed once more; not so past random().
    return f"SELECT *, CASE WHEN random() >= 0 THEN {transformed} END AS r FROM ({LINES})"


def select_rows(columns: Sequence[Column], *, arrival: bool = False) -> str:
    """Return the SELECT of the rows: the columns in their order, then raw id, time of extraction, meta.

    Parameters:
        columns: what the table has, without the internal columns.
        arrival: add `_piece` and `_n`, which order the rows as they came.
    """
    apart = _apart(columns)
    raws = [_path_text(column) if column.key in apart else f"v[{literal(column.key)}]" for column in columns]
    typed = "".join(f", {_value(c.type, raw)} AS c{i}" for i, (c, raw) in enumerate(zip(columns, raws, strict=True)))
    checked = [i for i, column in enumerate(columns) if column.type not in _FIT_ALL]
    meta = "coalesce(meta, '{}')"
    if checked:
        misfits = [_misfit(columns[i], raws[i], f"c{i}") for i in checked]
        keys = listed(literal(columns[i].key) for i in checked)
        changed = _meta_with(f"list_where([{keys}], [{listed(misfits)}])")
        any_misfit = " OR ".join(f"({misfit})" for misfit in misfits)
        meta = f"CASE WHEN {any_misfit} THEN {changed} ELSE {meta} END"

    names = "".join(f"c{i} AS {ident(column.name)}, " for i, column in enumerate(columns))
    data = "r.data" if len(apart) < len(columns) else "NULL"
    return f"""
        SELECT {names}
            prefix || n AS {ident(RAW_ID)},
            TRY(make_timestamptz(emitted_at * 1000)) AS {ident(EXTRACTED_AT)},
            {meta} AS {ident(META)}{", piece AS _piece, n AS _n" if arrival else ""}
        FROM (
            SELECT prefix, piece, n, line, emitted_at, meta, v{typed} FROM (
                SELECT prefix, piece, n, line, r.emitted_at AS emitted_at, r.meta AS meta, {data} AS v
                FROM ({parsed(columns)}) WHERE r IS NOT NULL))
    """


def _apart(columns: Sequence[Column]) -> frozenset[str]:
    """Return the properties that are fetched by a path: struct fields are found in any case, and must have a name."""
    spelled = Counter(column.key.casefold() for column in columns)
    return frozenset(column.key for column in columns if not column.key or spelled[column.key.casefold()] > 1)


def _is_direct(kind: str) -> bool:
    return kind == "JSON" or kind.startswith("DECIMAL")


def _pointer(key: str) -> str:
    """Return the JSON pointer of a property: in it, any name can be written."""
    return literal("/record/data/" + key.replace("~", "~0").replace("/", "~1"))


def _path_text(column: Column) -> str:
    if column.type == "JSON":
        found = f"json_extract(line, {_pointer(column.key)})"
        return f"CASE WHEN json_type(line, {_pointer(column.key)}) <> 'NULL' THEN {found} END"

    text = f"json_extract_string(line, {_pointer(column.key)})"
    return f"TRY_CAST({text} AS {column.type})" if _is_direct(column.type) else text


def _value(kind: str, raw: str) -> str:
    """Return the expression that makes the value of the text `raw`, or NULL where it does not fit."""
    if kind == "VARCHAR" or _is_direct(kind):
        return raw

    cast = f"TRY_CAST({raw} AS {kind})"
    if kind in _INTEGERS:
        number = f"TRY_CAST({raw} AS DOUBLE)"
        is_whole = f"{number} = trunc({number}) AND abs({number}) <= {_EXACT_IN_DOUBLE}"
        plain = f"NOT contains({raw}, '.') AND NOT contains({raw}, 'e') AND NOT contains({raw}, 'E')"
        return f"CASE WHEN {plain} THEN {cast} WHEN {is_whole} THEN TRY_CAST({number} AS {kind}) END"

    if kind == "DOUBLE":  # 1e400 would be infinite; the word Infinity is
        short = f"strlen({raw}) < 25 AND NOT contains({raw}, 'e') AND NOT contains({raw}, 'E')"
        return f"CASE WHEN {short} OR isfinite({cast}) OR NOT regexp_matches({raw}, '[0-9]') THEN {cast} END"

    if kind == "DATE":  # a time of day would be cut off without a word
        return f"CASE WHEN {_BEGINS_WITH_DIGIT.format(raw)} AND NOT contains({raw}, ':') THEN {cast} END"

    if kind in ("TIMETZ", "TIME WITH TIME ZONE"):  # it may end in Z (well_known_types.yaml), which DuckDB reads not
        cast = f"TRY_CAST(regexp_replace({raw}, '[Zz]$', '+00') AS {kind})"

    if kind.startswith("TIME"):  # DuckDB has words for times, such as `epoch`
        return f"CASE WHEN {_BEGINS_WITH_DIGIT.format(raw)} THEN {cast} END"

    return cast


def _misfit(column: Column, raw: str, value: str) -> str:
    if not _is_direct(column.type):
        return f"{raw} IS NOT NULL AND {value} IS NULL"

    found = f"coalesce(json_type(line, {_pointer(column.key)}), 'NULL') <> 'NULL'"
    return f"CASE WHEN {value} IS NULL THEN {found} ELSE false END"


def _meta_with(keys: str) -> str:
    entry = "json_object('field', key, 'change', 'NULLED', 'reason', 'DESTINATION_TYPECAST_ERROR')"
    own = """coalesce(TRY(json_transform(meta, '{"changes":["JSON"]}')).changes, []::JSON[])"""
    changes = f"list_concat({own}, [{entry} FOR key IN {keys}])"
    return f"json_merge_patch(coalesce(meta, '{{}}'), json_object('changes', {changes}))"
