from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from wheels import write_slow_project, write_wheel

from airbyte_exec import exceptions as exc
from airbyte_exec._process.guardian import open_guard
from airbyte_exec.executors import VenvExecutor, _installer, _pythons, resolve_executor

OLD_PYTHON = f">=3.{sys.version_info.minor + 40}"
"""A `Requires-Python` that no Python meets."""


def venv_executor(root: Path, wheel: Path, **options: object) -> VenvExecutor:
    return VenvExecutor("source-tiny", pip_url=str(wheel), install_root=root, **options)  # type: ignore[arg-type]


def leftovers(executor: VenvExecutor) -> list[str]:
    """Return what stands in the folder beside the environment in use and the file that names it."""
    used = Path(executor.launch().argv[0]).parent.parent.name if executor.is_installed() else ""
    return [entry.name for entry in executor.folder.iterdir() if entry.name not in (used, "installed.json")]


def test_a_wheel_is_installed_once_and_runs(tmp_path: Path, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    wheel = write_wheel(tmp_path)
    executor = venv_executor(root, wheel)

    with caplog.at_level(logging.INFO):
        executor.ensure_installation()
        executor.ensure_installation()

    assert caplog.text.count("Installing source-tiny") == 1
    launch = executor.launch()
    assert subprocess.check_output([*launch.argv, "spec"]) == b"spec\n"
    assert executor.get_installed_version() == executor.get_installed_version(recheck=True) == "1.0"
    assert venv_executor(root, wheel).launch() == launch


def test_the_environment_of_our_own_python_does_not_reach_the_connector(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = venv_executor(root, write_wheel(tmp_path))
    monkeypatch.setenv("PYTHONHOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    executor.ensure_installation()
    launch = executor.launch()
    child = launch.environment(os.environ)
    assert not {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"} & set(child)
    assert subprocess.check_output([*launch.argv, "spec"], env=child) == b"spec\n"


def test_a_connector_that_is_not_installed_is_an_error_and_no_launch_installs_it(tmp_path: Path, root: Path) -> None:
    executor = resolve_executor(
        "source-tiny", pip_url=str(write_wheel(tmp_path)), install_root=root, install_if_missing=False
    )

    for call in (executor.launch, lambda: executor.ensure_installation(auto_fix=False)):
        with pytest.raises(exc.AirbyteConnectorInstallationError, match="not installed"):
            call()

    assert executor.get_installed_version() is None

    with pytest.raises(exc.AirbyteConnectorInstallationError):
        executor.get_installed_version(raise_on_error=True)

    assert not root.exists()


def test_each_version_and_each_choice_of_requirements_has_an_environment_of_its_own(root: Path) -> None:
    folders = {
        VenvExecutor("source-x", install_root=root).folder,
        VenvExecutor("source-x", install_root=root, target_version="1.0").folder,
        VenvExecutor("source-x", install_root=root, target_version="1.1").folder,
        VenvExecutor("source-x", install_root=root, extra_requirements=["numpy"]).folder,
        VenvExecutor("source-x", install_root=root, use_python="3.11").folder,
        VenvExecutor("source-y", install_root=root).folder,
    }
    assert len(folders) == 6
    assert all(folder.is_relative_to(root) for folder in folders)


def test_a_version_is_the_same_by_argument_and_by_pip_url(root: Path) -> None:
    by_argument = VenvExecutor("source-x", install_root=root, target_version="1.0")
    by_url = VenvExecutor("source-x", install_root=root, pip_url="airbyte-source-x==1.0")
    assert by_argument.folder == by_url.folder


def test_a_path_with_spaces_and_further_pip_arguments_are_understood(tmp_path: Path, root: Path) -> None:
    wheel = write_wheel(tmp_path / "a folder")
    executor = VenvExecutor(
        "source-tiny", pip_url=f"--find-links '{wheel.parent}' airbyte-source-tiny", install_root=root
    )
    executor.ensure_installation()
    assert executor.get_installed_version() == "1.0"


def test_a_relative_path_means_the_folder_where_it_was_given(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = write_wheel(tmp_path / "wheels")
    monkeypatch.chdir(wheel.parent)
    executor = VenvExecutor("source-tiny", pip_url=f"./{wheel.name}", install_root=root)
    monkeypatch.chdir("/")
    executor.ensure_installation()
    assert executor.requirements == [str(wheel)]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("-e .", ["-e", "{cwd}"]),
        ("./here[extra]", ["{cwd}/here[extra]"]),
        ("-r here", ["-r", "{cwd}/here"]),
        ("--find-links=here x", ["--find-links={cwd}/here", "x"]),
        ("here", ["here"]),
        ("git+https://host/../here", ["git+https://host/../here"]),
        ("x @ file:///here", ["x @ file:///here"]),
    ],
)
def test_local_paths_in_pip_arguments_are_made_absolute(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, given: str, meant: list[str]
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    executor = VenvExecutor("source-x", pip_url=given, install_root=root)
    assert executor.requirements == [word.format(cwd=tmp_path) for word in meant]


def test_extra_requirements_are_installed_beside_the_connector(tmp_path: Path, root: Path) -> None:
    extra = write_wheel(tmp_path, "extra-package", script=None)
    executor = venv_executor(root, write_wheel(tmp_path), extra_requirements=[str(extra)])
    executor.ensure_installation()
    python = Path(executor.launch().argv[0]).with_name("python")
    assert subprocess.run([python, "-c", "import extra_package"], check=False).returncode == 0


def test_a_wheel_that_changed_is_installed_anew(tmp_path: Path, root: Path) -> None:
    executor = venv_executor(root, write_wheel(tmp_path))
    executor.ensure_installation()
    before = executor.launch()
    os.utime(write_wheel(tmp_path), ns=(1, 1))
    assert not executor.is_installed()
    executor.ensure_installation()
    assert executor.launch() != before


def test_a_connector_that_runs_keeps_its_files_while_it_is_installed_anew(tmp_path: Path, root: Path) -> None:
    executor = venv_executor(root, write_wheel(tmp_path))
    executor.install()
    first = executor.launch()
    executor.install()
    second = executor.launch()
    assert subprocess.check_output([*first.argv, "read"]) == b"read\n"
    executor.install()
    assert second != executor.launch()
    assert not Path(first.argv[0]).exists()


def test_an_installation_that_fails_shows_what_the_installer_said_and_keeps_the_one_before(
    tmp_path: Path, root: Path
) -> None:
    wheel = write_wheel(tmp_path)
    executor = venv_executor(root, wheel)
    executor.install()
    wheel.write_bytes(b"no wheel at all")

    with pytest.raises(exc.AirbyteConnectorInstallationError) as caught:
        executor.install()

    assert caught.value.connector_name == "source-tiny"
    assert caught.value.exit_code not in (0, None)
    assert "zip" in str(caught.value.log_text)
    assert "Log output" in str(caught.value)
    assert [entry.name for entry in executor.folder.iterdir() if entry.is_dir()] != []
    assert len([entry for entry in executor.folder.iterdir() if entry.is_dir()]) == 1


def test_a_package_that_does_not_exist_is_an_error_that_shows_it_and_hints_at_the_name(root: Path) -> None:
    with pytest.raises(exc.AirbyteConnectorInstallationError, match="airbyte-source-nosuch") as caught:
        VenvExecutor("source-nosuch", pip_url="--no-index airbyte-source-nosuch", install_root=root).install()

    assert "airbyte-source-nosuch" in str(caught.value.log_text)
    assert "airbyte-NAME" in str(caught.value.guidance)


def test_settings_of_a_project_in_the_working_directory_do_not_reach_the_connector(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "uv.toml").write_text('required-version = "==0.0.1"\n', encoding="utf-8")
    executor = venv_executor(root, write_wheel(tmp_path))
    monkeypatch.chdir(project)
    executor.ensure_installation()
    assert executor.is_installed()


def test_credentials_of_an_index_are_never_shown(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    executor = VenvExecutor(
        "source-x", pip_url="--index-url https://me:CANARY@127.0.0.1:9/simple airbyte-source-x", install_root=root
    )

    with caplog.at_level(logging.DEBUG), pytest.raises(exc.AirbyteConnectorInstallationError) as caught:
        executor.ensure_installation()

    assert "127.0.0.1" in str(caught.value)
    assert "CANARY" not in f"{caught.value}{caught.value!r}{caplog.text}"


def test_a_package_without_the_console_script_is_an_error_that_lists_its_scripts(tmp_path: Path, root: Path) -> None:
    executor = venv_executor(root, write_wheel(tmp_path, script="source-other"))

    with pytest.raises(exc.AirbyteConnectorInstallationError, match="source-tiny") as caught:
        executor.ensure_installation()

    assert "source-other" in str(caught.value)
    assert leftovers(executor) == []


def test_a_connector_that_does_not_support_our_python_gets_another_one(tmp_path: Path, root: Path) -> None:
    ours = sys.version_info
    others = [python for python in _pythons.choices(None) if python.version != f"{ours.major}.{ours.minor}"]
    wheel = write_wheel(tmp_path, requires_python=f"!={ours.major}.{ours.minor}.*")
    executor = venv_executor(root, wheel)
    found = [python for python in others if _exists(python, tmp_path)]

    if not found:
        with pytest.raises(exc.AirbyteConnectorInstallationError, match="No Python"):
            executor.ensure_installation()

        return

    executor.ensure_installation()
    python = Path(executor.launch().argv[0]).with_name("python")
    version = subprocess.check_output([python, "-c", "import sys; print(*sys.version_info[:2], sep='.')"], text=True)
    assert version.strip() == found[0].version


def _exists(python: _pythons.Python, tmp_path: Path) -> bool:
    argv = _installer.Uv().make_venv(tmp_path / "probe", python.spec, download=False)
    return subprocess.run([*argv, "--clear"], capture_output=True, check=False).returncode == 0


def test_a_connector_that_supports_no_python_here_says_what_it_needs(tmp_path: Path, root: Path) -> None:
    executor = venv_executor(root, write_wheel(tmp_path, requires_python=OLD_PYTHON))

    with pytest.raises(exc.AirbyteConnectorInstallationError) as caught:
        executor.ensure_installation()

    assert OLD_PYTHON in str(caught.value)
    assert "use_python" in str(caught.value)
    assert leftovers(executor) == []


@pytest.mark.parametrize("width", range(24, 130))
def test_a_reason_is_understood_however_the_installer_folds_its_lines(width: int) -> None:
    reason = "Because the current Python version (3.12.1) does not satisfy Python>=3.52, we can conclude that"
    folded = textwrap.fill(reason, width, initial_indent="  ╰─▶ ", subsequent_indent="      ")
    assert _installer.Outcome(1, folded).wants_other_python


def test_a_python_given_by_path_is_used(tmp_path: Path, root: Path) -> None:
    executor = venv_executor(root, write_wheel(tmp_path), use_python=Path(sys.executable))
    executor.ensure_installation()
    assert executor.is_installed()


@pytest.mark.parametrize("given", [Path("/nowhere/python"), "./nowhere/python", "", 3.11], ids=str)
def test_a_python_that_cannot_be_is_refused_at_once(root: Path, given: object) -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="use_python"):
        VenvExecutor("source-x", install_root=root, use_python=given)  # type: ignore[arg-type]


def test_a_name_that_leads_out_of_the_install_root_is_refused(root: Path) -> None:
    with pytest.raises(exc.PyAirbyteInputError):
        VenvExecutor("../source-x", install_root=root)


def test_uninstall_removes_the_environment(tmp_path: Path, root: Path) -> None:
    executor = venv_executor(root, write_wheel(tmp_path))
    executor.ensure_installation()
    executor.uninstall()
    assert not executor.folder.exists()
    assert not executor.is_installed()
    executor.ensure_installation()
    assert executor.is_installed()


def test_an_environment_whose_python_was_removed_is_built_anew(tmp_path: Path, root: Path) -> None:
    executor = venv_executor(root, write_wheel(tmp_path))
    executor.ensure_installation()
    python = Path(executor.launch().argv[0]).with_name("python")
    python.unlink()
    python.symlink_to(tmp_path / "gone")

    with pytest.raises(exc.AirbyteConnectorInstallationError, match="not installed"):
        executor.launch()

    executor.ensure_installation()
    assert executor.is_installed()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 99}', '{"format": 1}'], ids=repr)
def test_a_file_that_is_not_ours_makes_no_installation(tmp_path: Path, root: Path, text: str) -> None:
    executor = venv_executor(root, write_wheel(tmp_path))
    executor.ensure_installation()
    (executor.folder / "installed.json").write_text(text, encoding="utf-8")
    assert not executor.is_installed()
    executor.ensure_installation()
    assert executor.is_installed()
    assert leftovers(executor) == []


def test_an_install_root_that_cannot_be_made_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(exc.AirbyteConnectorInstallationError, match="AIRBYTE_INSTALL_DIR"):
        venv_executor(tmp_path / "file", write_wheel(tmp_path)).ensure_installation()


@pytest.mark.slow
def test_without_uv_venv_and_pip_do_the_same(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = write_wheel(tmp_path)
    with_uv = venv_executor(root, wheel).folder
    monkeypatch.setenv("AIRBYTE_NO_UV", "1")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    executor = venv_executor(root, wheel)
    assert executor.folder != with_uv
    executor.ensure_installation()
    assert subprocess.check_output([*executor.launch().argv, "spec"]) == b"spec\n"


INSTALL = """
    import logging, sys
    from pathlib import Path
    from airbyte_exec.executors import VenvExecutor

    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    executor = VenvExecutor("source-slow", pip_url=sys.argv[1], install_root=Path(sys.argv[2]))
    executor.ensure_installation()
    print("done", executor.launch().argv[0], flush=True)
"""


@contextmanager
def installing(project: Path, root: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", textwrap.dedent(INSTALL), str(project), str(root)]

    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def slow(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A project whose build waits, and the FIFOs on which it says that it has begun and waits for the word to go."""
    begun, go = tmp_path / "begun", tmp_path / "go"
    os.mkfifo(begun)
    os.mkfifo(go)
    return write_slow_project(tmp_path / "slow", begun=begun, go=go), begun, go


def test_of_two_processes_one_installs_and_the_other_waits_for_it(slow: tuple[Path, Path, Path], root: Path) -> None:
    project, begun, go = slow

    with installing(project, root) as first, begun.open("rb") as signs:
        assert signs.readline() == b"begun\n"

        with installing(project, root) as second:
            assert second.stdout is not None
            assert "waiting" in second.stdout.readline()
            with go.open("wb"):
                go.unlink()

            told = first.communicate(timeout=60)[0], second.communicate(timeout=60)[0]

    assert [text.count("Installing source-slow") for text in told] == [1, 0]
    assert told[0].splitlines()[-1] == told[1].splitlines()[-1]
    assert told[0].splitlines()[-1].startswith("done ")


def test_a_kill_in_the_middle_of_an_installation_ends_the_installer_and_leaves_nothing_that_counts(
    slow: tuple[Path, Path, Path], root: Path
) -> None:
    project, begun, go = slow
    executor = VenvExecutor("source-slow", pip_url=str(project), install_root=root)

    with installing(project, root) as process, begun.open("rb") as signs:
        assert signs.readline() == b"begun\n"
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        # The build holds the other end for as long as it lives.
        assert signs.read() == b""

    assert not executor.is_installed()
    go.unlink()
    executor.ensure_installation()
    assert executor.get_installed_version() == "1.0"
    assert leftovers(executor) == []


def test_a_wait_for_another_process_is_bounded(slow: tuple[Path, Path, Path], root: Path) -> None:
    project, begun, _ = slow
    executor = VenvExecutor("source-slow", pip_url=str(project), install_root=root, lock_timeout=0.05)

    with installing(project, root), begun.open("rb") as signs:
        assert signs.readline() == b"begun\n"

        with pytest.raises(exc.AirbyteConnectorInstallationError, match="Another process"):
            executor.ensure_installation()


def test_an_installation_that_takes_too_long_is_ended(slow: tuple[Path, Path, Path], root: Path) -> None:
    project, begun, _ = slow
    executor = VenvExecutor("source-slow", pip_url=str(project), install_root=root, install_timeout=1.0)
    signs = os.open(begun, os.O_RDONLY | os.O_NONBLOCK)

    with pytest.raises(exc.AirbyteConnectorInstallationError, match="did not end within 1 s"):
        executor.ensure_installation()

    assert to_the_end(signs) in (b"begun\n", b"")
    assert leftovers(executor) == []


def to_the_end(fd: int) -> bytes:
    """Read until nobody holds the other end."""
    os.set_blocking(fd, True)

    with os.fdopen(fd, "rb") as file:
        return file.read()


def test_an_interrupt_ends_the_installer_and_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    signs = os.open(held, os.O_RDONLY | os.O_NONBLOCK)

    def interrupt(line: bytes, keep: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_installer, "_tell", interrupt)
    script = f"exec 3>{held}; sleep 1000 & echo begun; sleep 1000"

    with pytest.raises(KeyboardInterrupt):
        _installer.run(["/bin/sh", "-c", script], env={}, cwd=tmp_path, timeout=60)

    assert to_the_end(signs) == b""


def test_an_installer_that_leaves_a_process_behind_does_not_hold_us(tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    signs = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    script = f"exec 3>{held}; sleep 1000 & echo begun; exit 3"

    with open_guard() as guard:
        outcome = _installer.run(
            ["/bin/sh", "-c", script], env=guard.marks(guard.new_token()), cwd=tmp_path, timeout=60
        )

    assert outcome == _installer.Outcome(3, "begun")
    assert to_the_end(signs) == b""


def test_the_default_install_root_is_in_the_users_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert VenvExecutor("source-x").install_root == tmp_path / "airbyte_exec" / "venvs"
    monkeypatch.setenv("AIRBYTE_PROJECT_DIR", str(tmp_path / "project"))
    assert VenvExecutor("source-x").install_root == tmp_path / "project" / ".venvs"
    monkeypatch.setenv("AIRBYTE_INSTALL_DIR", str(tmp_path / "install"))
    assert VenvExecutor("source-x").install_root == tmp_path / "install"


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_real_source_faker_is_installed_from_the_package_index_and_answers() -> None:
    repository = Path(__file__).resolve().parent.parent.parent
    shared = Path(os.environ.get("AIRBYTE_EXEC_TEST_INSTALL_ROOT") or repository / ".venvs")
    executor = resolve_executor("source-faker", version="7.2.1", install_root=shared)
    launch = executor.launch()
    spec = subprocess.check_output([*launch.argv, "spec"], env=launch.environment(os.environ), timeout=120)
    assert b'"type":"SPEC"' in spec.replace(b" ", b"")
    assert executor.get_installed_version(recheck=True) == "7.2.1"
