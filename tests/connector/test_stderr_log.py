from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_exec._connector import stderr_log
from airbyte_exec._connector.stderr_log import LONGEST_PIECE, StderrLog
from airbyte_exec.secrets.masking import Masker

SECRET = "s3cret-value"


@given(cuts=st.lists(st.integers(0, 200), max_size=8))
def test_a_secret_is_masked_wherever_it_is_cut(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    text = f"one {SECRET}\ntwo {SECRET} é\nthree without end {SECRET}".encode()
    log = StderrLog(tmp_path_factory.mktemp("log") / "x.log", Masker([SECRET]))
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for start, end in itertools.pairwise(places):
        log.take(text[start:end])

    log.close()

    assert log.path.read_bytes() == text.replace(SECRET.encode(), b"****")


@given(cuts=st.lists(st.integers(0, 60), max_size=8))
def test_a_secret_of_several_lines_is_masked_wherever_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    text = b"one ab\ncd\nef two\nab\nthree ab\ncd\nef"
    log = StderrLog(tmp_path_factory.mktemp("log") / "x.log", Masker(["ab\ncd\nef"]))
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for start, end in itertools.pairwise(places):
        log.take(text[start:end])

    assert log.path.exists()
    log.close()

    assert log.path.read_bytes() == b"one **** two\nab\nthree ****"


def test_silence_makes_no_file(tmp_path: Path) -> None:
    log = StderrLog(tmp_path / "x.log", Masker())
    log.close()

    assert not log.path.exists()


def test_the_file_is_the_users_alone(tmp_path: Path) -> None:
    log = StderrLog(tmp_path / "x.log", Masker())
    log.take(b"x\n")
    log.close()

    assert log.path.stat().st_mode & 0o777 == 0o600


def test_a_line_without_end_is_not_kept_for_ever(tmp_path: Path) -> None:
    log = StderrLog(tmp_path / "x.log", Masker())
    log.take(b"x" * (LONGEST_PIECE + 1))

    assert log.path.stat().st_size == LONGEST_PIECE + 1
    log.close()


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = StderrLog(tmp_path / "missing" / "x.log", Masker())
    log.take(b"x\n")
    log.take(b"y\n")
    log.close()

    assert caplog.text.count("not logged any more") == 1


def test_a_log_that_goes_on_and_on_keeps_its_end_and_no_more_than_two_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stderr_log, "FULL", 100)
    log = StderrLog(tmp_path / "x.log", Masker())
    assert not log.overflowed.is_set()
    for number in range(100):
        log.take(f"line {number:04}\n".encode())

    assert log.overflowed.is_set()
    log.take(b"the end\n")
    log.close()

    assert log.path.read_bytes() == b"the end\n"
    before = (tmp_path / "x.before.log").read_bytes().splitlines()
    assert before == [f"line {number:04}".encode() for number in range(90, 100)]
    assert len(list(tmp_path.iterdir())) == 2
    assert "has the end alone" in caplog.text
