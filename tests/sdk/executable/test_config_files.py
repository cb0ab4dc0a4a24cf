"""The state of a configuration file, which decides if it is read again."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from time import time_ns
from typing import Any

import pytest

from codex_jupyter.sdk import CodexCli, CodexOptions, ThreadOptions
from codex_jupyter.sdk.approval_rules import permanent_approvals, revoke
from codex_jupyter.sdk.executable import config_files
from codex_jupyter.sdk.executable.config_files import ConfigFile
from codex_jupyter.sdk.executable.fingerprint import surroundings
from codex_jupyter.sdk.file_state import RACY
from codex_jupyter.sdk.transports.exec.environment import TurnEnvironment
from tests.invented import OLDEST

pytestmark = pytest.mark.unit
CLI = CodexCli(path=Path("codex"), version=OLDEST, source="test")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text('model = "one"\n')
    return path


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let so much time pass that a file that exists now cannot change within the same step of the clock."""
    return lambda: monkeypatch.setattr(config_files, "time_ns", lambda: time_ns() + 2 * RACY)


def _replace(path: Path) -> None:
    path.with_suffix(".new").write_text('model = "two"\n')
    path.with_suffix(".new").rename(path)


def _rewrite_with_the_old_time(path: Path) -> None:
    status = path.stat()
    path.write_text('model = "two"\n')
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _block(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES = [lambda path: path.write_text('model = "two"\n'), _replace, _rewrite_with_the_old_time, Path.unlink, _block]


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_is_current_until_it_changes(path: Path, later: Callable[[], None], change: Callable[[Path], object]) -> None:
    later()
    file = ConfigFile.read(path)
    assert file.content == {"model": "one"}
    assert file.is_current
    change(path)
    assert not file.is_current
    assert ConfigFile.read(path).content == ({"model": "two"} if path.is_file() else {})


def test_a_file_that_was_just_written_may_change_again_at_the_same_time(path: Path) -> None:
    assert not ConfigFile.read(path).is_current


@pytest.mark.parametrize("name", ["missing.toml", "config.toml/below.toml", "a\0b"])
def test_a_file_that_does_not_exist_is_current_until_it_does(path: Path, name: str) -> None:
    file = ConfigFile.read(path.parent / name)
    assert file.content == {}
    assert file.is_current


def test_a_file_that_appears_is_read(path: Path, later: Callable[[], None]) -> None:
    later()
    path.unlink()
    file = ConfigFile.read(path)
    path.write_text("a = 1\n")
    assert not file.is_current


def test_a_damaged_file_is_current_until_it_is_corrected(path: Path, later: Callable[[], None]) -> None:
    later()
    path.write_text("model = ")
    file = ConfigFile.read(path)
    assert file.content == {}
    assert file.is_current
    path.write_text('model = "')
    assert not file.is_current


def test_a_byte_order_mark_is_skipped(path: Path) -> None:
    """Some editors write it, and the CLI accepts it."""
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert ConfigFile.read(path).content == {"model": "one"}
    approved = '[mcp_servers.desk.tools.write]\napproval_mode = "approve"\n'
    path.write_bytes(b"\xef\xbb\xbf" + approved.encode())
    (approval,) = permanent_approvals(path.parent)[0]
    assert surroundings(CLI, {}, path.parent).grants == {"tool desk write"}
    revoke(approval)
    assert permanent_approvals(path.parent) == ([], [])


@pytest.mark.parametrize("text", ["model = {\n  a = 1,\n}\n", f"x = {'[' * 10_000}{']' * 10_000}\n"])
def test_a_text_that_only_the_cli_may_understand_is_not_known(path: Path, text: str) -> None:
    path.write_text(text)
    file = ConfigFile.read(path)
    assert file.content == {}
    assert not file.is_known
    surroundings(CLI, {}, path.parent)
    path.write_text("a = 1\n")
    assert ConfigFile.read(path).is_known
    path.unlink()
    assert ConfigFile.read(path).is_known


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES])
def test_a_file_that_could_not_be_read_is_read_again(
    path: Path, later: Callable[[], None], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The reason may be one of this process, and end without a change of the file."""

    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    later()
    with monkeypatch.context() as patch:
        patch.setattr(config_files, "open", refuse, raising=False)
        file = ConfigFile.read(path)
        patch.setattr(os, "open", refuse)
        assert not file.is_current
    assert file.content == {}
    assert not file.is_current


def test_the_environment_of_a_turn_is_that_of_the_last_turn_until_something_changes(path: Path, later: Callable[[], None]) -> None:
    later()
    env, cli = {"CODEX_HOME": str(path.parent)}, CodexCli(path=path.parent / "codex", version=OLDEST, source="test")
    client, token = CodexOptions(env=env, config={"a": {"b": 1}}), "t0ken-of-" + "the-file"
    last = TurnEnvironment.read(client, ThreadOptions(), cli)
    assert TurnEnvironment.read(client, ThreadOptions(), cli, last) is last
    for options in (ThreadOptions(config_overrides=("a.b=2",)), ThreadOptions(mcp_servers={"s": {"command": "x"}})):
        other = TurnEnvironment.read(client, options, cli, last)
        assert other.settings != last.settings
        assert TurnEnvironment.read(client, ThreadOptions(), cli, other).settings == last.settings
    path.write_text(f'[model_providers.p]\nexperimental_bearer_token = "{token}"\n')
    changed = TurnEnvironment.read(client, ThreadOptions(), cli, last)
    assert token in changed.secrets
    assert changed.configuration(None)["model_providers"]
