"""Secrets that a connector in a container throws about: the tests of the engine, borrowed."""

from __future__ import annotations

from docker_lab import borrow

globals().update(
    borrow(
        "engine/test_canaries",
        globals(),
        without=["test_folders_and_files_of_a_run_are_the_user_s_alone"],  # there is no file of a run on the host
    )
)
logged = globals()["BORROWED"][0].logged
