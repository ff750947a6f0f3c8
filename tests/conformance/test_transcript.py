"""What a command wrote, as a test of one's own sees it: no line is just gone."""

from __future__ import annotations

import pytest

from airbyte_exec.conformance.cases import load_cases
from airbyte_exec.conformance.checks import Given, NotApplicableError, image
from airbyte_exec.conformance.subject import Subject
from airbyte_exec.conformance.transcript import Transcript, read_line
from airbyte_exec.executors import NoOpExecutor

CATALOG = b'{"type":"CATALOG","catalog":{"streams":[]}}'


def transcript(*lines: bytes, exit_code: int = 0, stderr: tuple[str, ...] = ()) -> Transcript:
    found = [line for number, raw in enumerate(lines, 1) if (line := read_line(number, raw, 0.0)) is not None]
    return Transcript(command="read", lines=found, exit_code=exit_code, stderr=list(stderr))


def test_what_is_no_message_is_a_log_of_the_level_info() -> None:
    run = transcript(
        b"plain text", b'{"type":"LOG","log":{"level":"WARN","message":"m"}}', b'{"type":"RECORD"}', b"\xff"
    )
    assert [log["level"] for log in run.logs] == ["INFO", "WARN", "INFO", "INFO"]
    assert [line.number for line in run.strays] == [1, 3, 4]


def test_a_number_of_any_length_is_a_number() -> None:
    raw = b'{"type":"RECORD","record":{"stream":"a","data":{"n":%b},"emitted_at":1}}' % (b"7" * 5_000)
    run = transcript(raw)
    assert run.strays == []
    assert [type(line.body["data"]["n"]) for line in run.records] == [int]


@pytest.mark.parametrize("lines", [(), (CATALOG, CATALOG)])
def test_there_must_be_exactly_one_catalog(lines: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        _ = transcript(*lines).catalog


def test_the_one_catalog_is_given() -> None:
    assert transcript(CATALOG).catalog == {"streams": []}


GOOD_IMAGE = {
    "Os": "linux",
    "Architecture": "amd64",
    "Config": {
        "Entrypoint": ["python", "/airbyte/main.py"],
        "Env": ["AIRBYTE_ENTRYPOINT=python /airbyte/main.py"],
        "Labels": {"io.airbyte.name": "airbyte/source-x", "io.airbyte.version": "1.0.0"},
    },
    "Probe": {"uid": "1000", "name": "airbyte", "writable": True},
}


def entrypoint(*words: str) -> dict[str, object]:
    return {**GOOD_IMAGE["Config"], "Entrypoint": [*words], "Env": [f"AIRBYTE_ENTRYPOINT={' '.join(words)}"]}


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("", {}),
        ("IM1", {"Config": GOOD_IMAGE["Config"] | {"Env": []}}),
        ("IM1", {"Config": GOOD_IMAGE["Config"] | {"Env": ["AIRBYTE_ENTRYPOINT=python main.py"]}}),
        ("IM1", {"Config": entrypoint("bash", "bin/start")}),
        ("IM1", {"Config": entrypoint("node", "dist/index.js")}),
        ("IM1", {"Config": entrypoint("node", "index.mjs")}),
        ("", {"Config": entrypoint("python", "-m", "source_x", "--docs", "https://example.com/a")}),
        ("", {"Config": entrypoint("/airbyte/bin/source", "--module", "a/b")}),
        ("IM2", {"Config": GOOD_IMAGE["Config"] | {"Labels": None}}),
        ("IM3", {"Probe": {"uid": "0", "name": "root", "writable": True}}),
        ("IM3", {"Probe": {"uid": "65534", "name": "nobody", "writable": True}}),
        ("IM3", {"Probe": {"uid": "1000", "name": "node", "writable": True}}),
        ("IM3", {"Probe": {"uid": "65533", "name": None, "writable": True}}),
        ("", {"Probe": {"uid": "1000", "name": None, "writable": True}}),
        ("", {"Probe": {"uid": "1001", "name": "airbyte", "writable": True}}),
        ("IM3", {"Probe": {"uid": "1000", "writable": False}}),
        ("IM3", {"Architecture": "arm64"}),
    ],
)
def test_an_image_is_judged_by_what_the_engine_says_of_it(code: str, change: dict[str, object]) -> None:
    subject = Subject(executor=NoOpExecutor("source-x"), kind="source")
    checks = {"IM1": image.entrypoint, "IM2": image.labels, "IM3": image.user}
    broken = {
        case.code
        for case in load_cases()
        if case.code in checks and list(checks[case.code](Given(case=case, subject=subject, image=GOOD_IMAGE | change)))
    }
    assert broken == ({code} if code else set())


@pytest.mark.parametrize(
    ("who", "told"),
    [
        (None, "it runs as root"),
        ("", "it runs as root"),
        ("root", "it runs as root"),
        ("0:1000", "it runs as root"),
        ("nobody", "it runs as nobody, and not as airbyte (uid 1000)"),
        ("65534:65534", "it runs as uid 65534, and not as airbyte (uid 1000)"),
    ],
)
def test_an_image_without_a_shell_is_judged_by_its_user(who: str | None, told: str) -> None:
    found = GOOD_IMAGE | {"Config": {"User": who}, "Probe": {"uid": None, "writable": False}}
    assert [finding.message for finding in image.user(given_image(found))] == [told]


@pytest.mark.parametrize("who", ["airbyte", "1000", "airbyte:airbyte", "1000:1000"])
def test_of_an_image_without_a_shell_nobody_can_tell_what_its_user_may_write(who: str) -> None:
    found = GOOD_IMAGE | {"Config": {"User": who}, "Probe": {"problem": "no such file"}}
    with pytest.raises(NotApplicableError, match="only its shell could tell: no such file"):
        image.user(given_image(found))


def given_image(found: dict[str, object]) -> Given:
    case = next(case for case in load_cases() if case.code == "IM3")
    return Given(case=case, subject=Subject(executor=NoOpExecutor("source-x"), kind="source"), image=found)
