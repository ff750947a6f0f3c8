"""The suite as a pytest plugin: one test a rule, by the rule's id."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mini import SOURCE_MINI, source_config

ORDERS = Path(__file__).parents[2] / "examples" / "source-orders"


def run_pytest(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", f"--rootdir={folder}", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
        env={**os.environ, **variables},
    )


def config_file(folder: Path, **more: object) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps(source_config(emitted_at="now") | more), encoding="utf-8")
    return str(path)


def test_each_rule_is_a_test_by_its_id_and_a_broken_one_fails_with_its_evidence(tmp_path: Path) -> None:
    config = config_file(tmp_path, source_stats="wrong")
    done = run_pytest(
        tmp_path,
        f"--airbyte-connector=path:{SOURCE_MINI}",
        f"--airbyte-config={config}",
        "--airbyte-rules=spec.answer,read.counts,image.user",
    )
    assert done.returncode == 1, done.stdout
    assert "PASSED conformance::spec.answer" in done.stdout
    assert "1 skipped" in done.stdout
    assert "FAILED conformance::read.counts" in done.stdout
    assert "it counts 101 records, and 100 came" in done.stdout
    assert '"sourceStats":{"recordCount":101.0}' in done.stdout


def test_all_that_the_command_line_takes_can_be_given(tmp_path: Path) -> None:
    program = tmp_path / "destination-tests" / "source-orders"
    program.parent.mkdir()
    program.symlink_to(ORDERS)  # a source, whatever the folder is called
    records = tmp_path / "expected.jsonl"
    records.write_text('{"stream": "customers", "data": {"id": 99}}\n', encoding="utf-8")
    done = run_pytest(
        tmp_path,
        "-v",
        f"--airbyte-connector=path:{program}",
        "--airbyte-rules=*.compatible,read.expected-records,read.answer",
        f"--airbyte-expected-records={records}",
        f"--airbyte-previous=path:{program}",
    )
    assert "collected 4 items" in done.stdout, done.stdout + done.stderr
    assert "conformance::spec.compatible PASSED" in done.stdout
    assert "conformance::discovery.compatible PASSED" in done.stdout
    assert "FAILED conformance::read.expected-records" in done.stdout
    assert "expected and not there: [99]" in done.stdout


def test_only_the_rules_that_are_chosen_are_tried(tmp_path: Path) -> None:
    config = config_file(tmp_path, path=str(tmp_path / "calls"))
    done = run_pytest(
        tmp_path, f"--airbyte-connector=path:{SOURCE_MINI}", f"--airbyte-config={config}", "-k", "check-good"
    )
    assert "1 passed" in done.stdout, done.stdout
    assert {path.name.partition("-")[0] for path in (tmp_path / "calls").iterdir()} == {"check"}


def test_a_known_failure_passes_and_a_stale_one_fails(tmp_path: Path) -> None:
    config = config_file(tmp_path, source_stats="wrong")
    (tmp_path / "known.json").write_text('["read.counts", "read.lines"]', encoding="utf-8")
    done = run_pytest(
        tmp_path,
        f"--airbyte-connector=path:{SOURCE_MINI}",
        f"--airbyte-config={config}",
        "--airbyte-rules=read.counts,read.lines",
        "--airbyte-baseline=known.json",
    )
    assert "PASSED conformance::read.counts" in done.stdout, done.stdout + done.stderr
    assert "FAILED conformance::read.lines" in done.stdout


def test_a_connector_that_cannot_be_had_fails_each_rule_with_the_reason_and_no_traceback(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "--airbyte-connector=path:./source-nowhere", "--airbyte-rules=spec.answer,read.counts")
    assert done.returncode == 1
    assert "2 failed" in done.stdout
    assert done.stdout.count("source-nowhere") >= 2
    assert "Traceback" not in done.stdout
    assert "pytest_plugin.py" not in done.stdout


def test_a_file_that_cannot_be_read_is_told_as_such(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        f"--airbyte-connector=path:{SOURCE_MINI}",
        "--airbyte-config=nowhere.json",
        "--airbyte-rules=spec.answer",
    )
    assert done.returncode == 1
    assert "--airbyte-config: nowhere.json cannot be read: No such file" in done.stdout


def test_yaml_is_read_by_the_rules_of_the_command_line(tmp_path: Path) -> None:
    yaml = "country: no\nsince: 2024-01-31\npath: calls\n"
    (tmp_path / "c.yaml").write_text(yaml, encoding="utf-8-sig")  # with the mark that editors of Windows write
    options = (f"--airbyte-connector=path:{SOURCE_MINI}", "--airbyte-config=~/c.yaml", "--airbyte-rules=CK1")
    done = run_pytest(tmp_path, *options, HOME=str(tmp_path))
    assert "1 passed" in done.stdout, done.stdout
    (call,) = (tmp_path / "calls").glob("check-*")
    seen = call if call.is_file() else call / "config.json"
    assert {"country": "no", "since": "2024-01-31"}.items() <= json.loads(seen.read_text(encoding="utf-8")).items()


def test_an_earlier_spec_may_be_the_json_text_itself(tmp_path: Path) -> None:
    spec = {"connectionSpecification": {"type": "object", "properties": {"it's gone": {"type": "string"}}}}
    options = (f"--airbyte-connector=path:{ORDERS}", "--airbyte-rules=SP15")
    done = run_pytest(tmp_path, *options, f"--airbyte-previous={json.dumps(spec)}")
    assert "it's gone: it is gone" in done.stdout, done.stdout


@pytest.mark.parametrize("rules", ["nope", "destination.*"])
def test_rules_that_name_nothing_are_wrong_usage_and_no_error_of_ours(tmp_path: Path, rules: str) -> None:
    done = run_pytest(tmp_path, f"--airbyte-connector=path:{ORDERS}", f"--airbyte-rules={rules}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--airbyte-rules: " in done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr


def test_a_quote_without_an_end_is_told_and_no_traceback(tmp_path: Path) -> None:
    options = (f"--airbyte-connector=path:{ORDERS}", "--airbyte-rules=SP1")
    done = run_pytest(tmp_path, *options, "--airbyte-previous=it's")
    assert '--previous: "it\'s" is not divided by spaces: No closing quotation.' in done.stdout, done.stdout
    assert "pytest_plugin.py" not in done.stdout


def test_a_name_that_does_not_tell_its_kind_fails_each_rule_unless_it_is_given(tmp_path: Path) -> None:
    program = tmp_path / "orders"
    program.symlink_to(ORDERS)
    options = (f"--airbyte-connector=path:{program}", "--airbyte-rules=spec.answer")
    done = run_pytest(tmp_path, *options)
    assert "does not say whether it is a source or a destination" in done.stdout
    assert "1 failed" in done.stdout
    assert "1 passed" in run_pytest(tmp_path, *options, "--airbyte-kind=source").stdout


def test_without_a_connector_nothing_of_it_is_seen(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text("def test_it():\n    pass\n", encoding="utf-8")
    done = run_pytest(tmp_path)
    assert done.returncode == 0
    assert "1 passed" in done.stdout
