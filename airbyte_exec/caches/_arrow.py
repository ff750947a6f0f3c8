"""Hand text to DuckDB without a copy and without pyarrow.

DuckDB takes any object that gives an Arrow C stream (https://arrow.apache.org/docs/format/CStreamInterface.html). A
parameter would be copied twice and checked once more: a fifth of the whole time of a load. Each piece of text is one
row, and one chunk of the stream, so that DuckDB's threads share the pieces. All memory belongs to the `Pieces`
object, which has to outlive the statement that reads it; the release callbacks therefore free nothing.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines of one stream.

    Parameters:
        text: UTF-8, whole lines, each ending in a newline.
        prefix: what the raw ids of its rows begin with.
    """

    text: bytes
    prefix: str


class _Schema(ctypes.Structure):
    """`struct ArrowSchema`; its fields name the other structures, so they are set below."""


class _Array(ctypes.Structure):
    """`struct ArrowArray`; its fields name the other structures, so they are set below."""


class _Stream(ctypes.Structure):
    """`struct ArrowArrayStream`; its fields name the other structures, so they are set below."""


_ReleaseSchema = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Schema))
_ReleaseArray = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))
_ReleaseStream = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Stream))
_GetSchema = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Schema))
_GetNext = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Array))
_GetLastError = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_Stream))

_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.c_void_p),
    ("release", _ReleaseSchema),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.c_void_p),
    ("release", _ReleaseArray),
    ("private_data", ctypes.c_void_p),
]
_Stream._fields_ = [
    ("get_schema", _GetSchema),
    ("get_next", _GetNext),
    ("get_last_error", _GetLastError),
    ("release", _ReleaseStream),
    ("private_data", ctypes.c_void_p),
]

# The interface wants `release` to be NULL afterwards: that is all there is to do.


def _let_go_schema(schema: Any) -> None:
    schema[0].release = _ReleaseSchema(0)


def _let_go_array(chunk: Any) -> None:
    chunk[0].release = _ReleaseArray(0)


def _let_go_stream(stream: Any) -> None:
    stream[0].release = _ReleaseStream(0)


def _say_nothing(_stream: Any) -> None:
    return None


_release_schema = _ReleaseSchema(_let_go_schema)
_release_array = _ReleaseArray(_let_go_array)
_release_stream = _ReleaseStream(_let_go_stream)
_no_error = _GetLastError(_say_nothing)

_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]

_COLUMNS = ((b"text", b"u"), (b"prefix", b"u"), (b"piece", b"l"))


@dataclass
class Pieces:
    """An Arrow stream of `(text VARCHAR, prefix VARCHAR, piece BIGINT)`, one row a piece; the newline at a text's end
    is left out, so that splitting the text at newlines gives its lines.
    """

    pieces: Sequence[Piece] = ()
    _keep: list[Any] = field(default_factory=list)

    @contextmanager
    def shown(self, pieces: Sequence[Piece]) -> Iterator[None]:
        """Be a stream over these pieces for the statements of the block."""
        self.pieces = pieces
        try:
            yield
        finally:
            self.pieces = ()
            self._keep.clear()

    def __arrow_c_schema__(self) -> Any:
        """Return the schema as a capsule."""
        schema = _Schema()
        self._fill_schema(schema)
        self._keep.append(schema)
        return _new_capsule(ctypes.addressof(schema), b"arrow_schema", None)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Return a new stream over all pieces as a capsule."""
        remaining = iter(enumerate(self.pieces))

        def get_schema(_stream: Any, out: Any) -> int:
            self._fill_schema(out[0])
            return 0

        def get_next(_stream: Any, out: Any) -> int:
            entry = next(remaining, None)
            if entry is None:
                out[0].release = _ReleaseArray(0)
            else:
                self._fill_chunk(out[0], *entry)

            return 0

        callbacks = (_GetSchema(get_schema), _GetNext(get_next))
        stream = _Stream(*callbacks, _no_error, _release_stream, None)
        self._keep.append((stream, callbacks))
        return _new_capsule(ctypes.addressof(stream), b"arrow_array_stream", None)

    def _fill_schema(self, schema: Any) -> None:
        columns = [_Schema(kind, name, None, 0, 0, None, None, _release_schema, None) for name, kind in _COLUMNS]
        children = (ctypes.POINTER(_Schema) * len(columns))(*(ctypes.pointer(column) for column in columns))
        self._keep.append((columns, children))
        schema.format, schema.name, schema.metadata, schema.flags = b"+s", b"", None, 0
        schema.n_children, schema.children, schema.dictionary = len(columns), children, None
        schema.release, schema.private_data = _release_schema, None

    def _fill_chunk(self, chunk: Any, number: int, piece: Piece) -> None:
        columns = [
            self._text_column(piece.text, len(piece.text) - 1),
            self._text_column(prefix := piece.prefix.encode(), len(prefix)),
            self._number_column(number),
        ]
        children = (ctypes.POINTER(_Array) * len(columns))(*(ctypes.pointer(column) for column in columns))
        validity = (ctypes.c_void_p * 1)(None)
        self._keep.append((columns, children, validity))
        chunk.length, chunk.null_count, chunk.offset, chunk.n_buffers = 1, 0, 0, 1
        chunk.n_children, chunk.buffers, chunk.children = len(columns), validity, children
        chunk.dictionary, chunk.release, chunk.private_data = None, _release_array, None

    def _text_column(self, text: bytes, length: int) -> _Array:
        offsets = array("i", [0, length])
        address = ctypes.cast(ctypes.c_char_p(text), ctypes.c_void_p)
        buffers = (ctypes.c_void_p * 3)(None, offsets.buffer_info()[0], address)
        self._keep.append((text, offsets, buffers))
        return _Array(1, 0, 0, 3, 0, buffers, None, None, _release_array, None)

    def _number_column(self, number: int) -> _Array:
        values = array("q", [number])
        buffers = (ctypes.c_void_p * 2)(None, values.buffer_info()[0])
        self._keep.append((values, buffers))
        return _Array(1, 0, 0, 2, 0, buffers, None, None, _release_array, None)
