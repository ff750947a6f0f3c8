"""Who belongs to a run, and when it is looked for."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import anyio
import pytest

from airbyte_exec._process import _sweep, open_child

if TYPE_CHECKING:
    from collections.abc import Callable

    from airbyte_exec._process import Guard

PATIENCE = 30.0
HANG = "import signal; signal.pause()"


def test_a_process_whose_variables_only_mention_a_run_is_left_alone(guard: Guard) -> None:
    env = {"NOTE": guard.run_id, _sweep.RUN_MARK: guard.run_id + "0"}
    with subprocess.Popen(["sleep", "60"], env=env) as other:
        _sweep.kill_run(guard.run_id)
        assert other.poll() is None
        other.kill()


def test_a_process_that_merely_got_the_number_of_a_leader_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        start = _sweep.start_time(other.pid)
        assert start is not None
        assert _sweep.kill_round([], {other.pid: start - 1}) == 0
        assert other.poll() is None
        _sweep.kill_round([], {other.pid: start})
        assert other.wait(PATIENCE) == -signal.SIGKILL


def test_a_process_that_is_older_than_a_child_is_not_looked_at() -> None:
    mark = "a-child-of-nobody"
    with subprocess.Popen(["sleep", "60"], env={_sweep.CHILD_MARK: mark}) as older:
        start = _sweep.start_time(older.pid)
        assert start is not None
        assert _sweep.find([mark], {}, since=start + 1) == []
        assert [process.pid for process in _sweep.find([mark], {}, since=start)] == [older.pid]
        older.kill()


@pytest.mark.anyio
@pytest.mark.parametrize("ends_by_itself", [True, False])
async def test_a_run_is_looked_through_at_its_end_only_if_a_child_may_have_left_something(
    ends_by_itself: bool, guard: Guard, env: dict[str, str], python: Callable[..., list[str]]
) -> None:
    assert guard.is_gone
    with anyio.fail_after(PATIENCE):
        async with open_child(python("print()" if ends_by_itself else HANG), env=env, stdin=False, guard=guard):
            assert not guard.is_gone

    assert guard.is_gone
    guard.new_token()  # of a child that was never begun, or was lost
    assert not guard.is_gone
