"""Every way in which connectors go well or fail, with both of them in containers: the tests of the engine, borrowed.

What is left out speaks of what a container does not have: an exit code that tells a signal from a number (one that
ends by SIGTERM exits with 143), and an output that ends before the container does; or it gives a connector half a
second from its start, or a destination that has begun before the source fails. `test_ends.py` has their like.
"""

from __future__ import annotations

from docker_lab import borrow

globals().update(
    borrow(
        "engine/test_success",
        globals(),
        without=[
            "test_a_source_that_is_killed_has_failed",
            "test_a_source_that_exits_with_another_code_than_0_has_failed",
            "test_a_destination_that_is_killed_has_failed",
        ],
    )
)
globals().update(
    borrow(
        "engine/test_ends",
        globals(),
        without=[
            "test_a_destination_that_closes_its_input_and_goes_on_is_named",
            "test_a_source_that_closes_its_output_and_hangs_is_stopped",
        ],
    )
)
globals().update(
    borrow(
        "engine/test_limits",
        globals(),
        without=[
            "test_a_source_that_sends_nothing_for_too_long_is_stopped",
            "test_the_clock_of_the_source_stands_while_the_destination_is_slow",
        ],
    )
)
globals().update(
    borrow(
        "engine/test_continuing",
        globals(),
        only=[
            "test_the_next_read_gets_exactly_the_documents_of_the_protocol",
            "test_a_global_state_is_kept_whole_and_given_back",
            "test_only_what_follows_the_committed_state_is_sent_again",
            "test_an_interrupted_forced_refresh_goes_on_as_one",
            "test_a_config_that_the_source_rotates_keeps_its_state",
            "test_a_config_file_that_the_source_rewrites_counts_as_a_change_and_keeps_state",
            "test_a_control_after_a_rewritten_file_is_the_last_word",
            "test_a_callback_that_raises_fails_the_write",
        ],
    )
)
