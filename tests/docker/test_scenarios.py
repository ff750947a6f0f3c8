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
        daily=[
            "test_records_and_states_arrive_as_the_bytes_that_the_source_wrote",
            "test_a_trace_error_is_a_failure_also_with_exit_code_0",
            "test_a_stream_that_is_incomplete_fails_while_the_others_go_on",
            "test_a_destination_that_exits_0_before_the_end_of_its_input_has_failed",
            "test_no_complete_is_sent_before_the_source_has_exited",
            "test_each_strategy_ends_well",
            "test_half_a_record_at_the_end_is_an_error",
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
        daily=[
            "test_a_failed_source_is_never_an_end_for_a_stream_that_is_replaced",
            "test_states_are_collected_after_the_source_has_failed",
            "test_an_idle_source_is_left_at_once_when_the_destination_dies",
            "test_a_source_that_ignores_sigterm_is_killed",
            "test_a_grandchild_that_holds_the_output_does_not_hold_up_the_end",
            "test_a_flood_on_stderr_stops_nothing",
            "test_a_cancelled_write_leaves_nothing",
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
        daily=[
            "test_a_destination_that_takes_nothing_for_too_long_is_stopped",
            "test_a_command_that_does_not_end_is_stopped",
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
        daily=[
            "test_the_next_read_gets_exactly_the_documents_of_the_protocol",
            "test_only_what_follows_the_committed_state_is_sent_again",
            "test_a_config_file_that_the_source_rewrites_counts_as_a_change_and_keeps_state",
        ],
    )
)
