"""What comes out of a container in frames, and a connection that breaks."""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_exec._process.frames import FrameEnd


@contextmanager
def connection() -> Iterator[tuple[socket.socket, FrameEnd]]:
    theirs, ours = socket.socketpair()
    end = FrameEnd(ours.detach())
    try:
        with theirs:
            yield theirs, end
    finally:
        end.close()


def frame(payload: bytes, stream: int = 1) -> bytes:
    return struct.pack(">BxxxL", stream, len(payload)) + payload


def read_all(end: FrameEnd) -> bytes:
    text = b""
    while chunk := end.read_now():
        text += chunk

    return text


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 30), max_size=30))
def test_payloads_come_out_whole_however_the_connection_cuts_them(payloads: list[bytes], sizes: list[int]) -> None:
    text = b"".join(map(frame, payloads))
    with connection() as (theirs, end):
        got = b""
        for size in (*sizes, len(text) or 1):
            theirs.sendall(text[:size])
            text = text[size:]
            got += read_all(end)

        theirs.close()
        assert got + read_all(end) == b"".join(payloads)
        assert end.read_now() == b""
        assert not end.is_torn


def test_a_payload_that_is_larger_than_the_buffer_comes_in_pieces() -> None:
    payload = os.urandom(3 << 18)
    with connection() as (theirs, end):
        theirs.setblocking(False)
        text, got = frame(payload), b""
        while text:
            text = text[theirs.send(text) :]
            got += read_all(end)

        assert got == payload


@pytest.mark.parametrize("cut", [1, 7, 8, 9, 11])
def test_an_end_in_the_middle_of_a_frame_is_told_and_what_came_before_is_given(cut: int) -> None:
    with connection() as (theirs, end):
        theirs.sendall(frame(b"whole") + frame(b"half")[:cut])
        theirs.close()

        assert read_all(end) == b"whole" + b"half"[: max(0, cut - 8)]
        assert end.is_torn


def test_a_connection_that_is_reset_has_broken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        theirs, _ = server.accept()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        end = FrameEnd(ours.detach())
        select.select([end.fd], [], [])

        assert end.read_now() == b""
        assert end.is_torn
        end.close()


@pytest.mark.parametrize("wrong", [frame(b"the engine's own word", 3), b"HTTP/1.1 500\r\n", b"\1\0\0\1\0\0\0\1x"])
def test_what_is_no_frame_of_a_stream_is_no_output(wrong: bytes) -> None:
    with connection() as (theirs, end):
        theirs.sendall(frame(b"before") + wrong)

        assert end.read_now() == b"before"
        assert end.read_now() == b""
        assert end.is_torn
