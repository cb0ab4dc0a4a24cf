"""The first hour: settings from a configuration, loading in every kernel, mistyped commands, and the demo where nothing can be written."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config.loader import KVArgParseConfigLoader, PyFileConfigLoader

from codex_jupyter.notebook.magic.command_table import COMMANDS, find_command
from codex_jupyter.notebook.magic.settings import CodexSettings
from codex_jupyter.notebook.magic.startup import SOURCE
from codex_jupyter.testing import ScriptedModel
from tests.invented import MODEL
from tests.notebook.conftest import Kernel
from tests.notebook.shells import new_shell

VALUES: dict[str, Any] = {
    "add_dir": ["/one", "/two"],
    "approval": "on-request",
    "attach_plots": "new",
    "bg": True,
    "cd": "sub",
    "context": "vars+cells:-3..",
    "dry_run": True,
    "preset": "ask",
    "cells": "apply",
    "snapshots": False,
    "effort": "high",
    "expand": False,
    "fold_work": False,
    "image": ["plot", "cell:3"],
    "live_updates": "off",
    "max_image_bytes": 20_000,
    "max_image_side": 64,
    "max_seconds_per_turn": 1.5,
    "network_timeout": 120.0,
    "max_tokens_per_turn": 1000,
    "model": MODEL,
    "kernel": "read",
    "kernel_rows": 5,
    "new": True,
    "out": "answer",
    "quiet": True,
    "raise_errors": False,
    "resume": "last",
    "sandbox": "workspace-write",
    "schema": "Verdict",
    "shell_environment": "core",
    "settings": {"tools.x": 1, "name": "a text", "list": ["a"]},
    "thread": "docs",
    "timeout": 30.0,
    "tools": ["rate"],
    "transport": "exec",
    "web_search": "live",
}
"""A value for each setting that is not its default."""
SETTINGS = sorted(CodexSettings.class_traits(config=True))
HIDE = """
import sys

class Hide:
    def find_spec(name, path=None, target=None):
        if name == "codex_jupyter":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hide)
from IPython import start_ipython
start_ipython(["-c", "print(40 + 2)"])
"""
"""IPython in an environment without the package."""


def arguments(name: str, value: Any) -> list[str]:
    """The command line that sets a setting."""
    values = [f"{key}={each}" for key, each in value.items()] if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return [f"--CodexMagics.{name}={each}" for each in values]


def test_every_setting_is_tested() -> None:
    """A new setting needs a value above."""
    assert sorted(VALUES) == SETTINGS
    assert [name for name, value in VALUES.items() if value == CodexSettings.class_traits()[name].default()] == []


@pytest.fixture(scope="module", params=["file", "command line"])
def configured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InteractiveShell]:
    """A shell with the extension, and with all settings, each read by what reads it for IPython."""
    folder = tmp_path_factory.mktemp("configured")
    if request.param == "file":
        lines = ["c = get_config()", *(f"c.CodexMagics.{name} = {value!r}" for name, value in VALUES.items())]
        (folder / "ipython_config.py").write_text("\n".join(lines))
        config = PyFileConfigLoader("ipython_config.py", path=str(folder)).load_config()
    else:
        argv = [argument for name, value in VALUES.items() for argument in arguments(name, value)]
        config = KVArgParseConfigLoader(argv=argv).load_config()
    with new_shell(folder / "ipython", config) as shell:
        shell.run_cell("%load_ext codex_jupyter").raise_error()
        yield shell
        shell.run_cell("%unload_ext codex_jupyter").raise_error()


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_can_be_set_before_the_extension_is_loaded(name: str, configured: InteractiveShell) -> None:
    """By a configuration file and by an argument."""
    assert getattr(configured.magics_manager.registry["CodexMagics"], name) == VALUES[name]


def test_a_kernel_takes_all_settings_from_its_profile_and_its_arguments(new_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """Half of them from the file, the others from the command line; the kernel then answers."""
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    half = SETTINGS[::2]
    (profile / "ipython_config.py").write_text("".join(f"c.CodexMagics.{name} = {VALUES[name]!r}\n" for name in half))
    rest = [argument for name in SETTINGS[1::2] for argument in arguments(name, VALUES[name])]
    kernel = new_kernel(*rest, IPYTHONDIR=str(tmp_path / "ipython"))
    values = kernel.execute(
        f"m = get_ipython().magics_manager.registry['CodexMagics']; {{name: getattr(m, name) for name in {SETTINGS!r}}}"
    )
    assert values.value is not None
    assert eval(values.value) == VALUES  # noqa: S307 - a dict of our own settings


def test_a_bad_setting_in_a_configuration_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the setting and what it takes; once it is right, the extension loads in the same shell."""
    with new_shell(tmp_path / "ipython", {"CodexMagics": {"transport": "pigeon"}}) as shell:
        with pytest.raises(UsageError, match=r"The 'transport' trait .* expected any of"):
            shell.run_cell("%load_ext codex_jupyter").raise_error()
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
        shell.config.CodexMagics.transport = "exec"
        shell.run_cell("%load_ext codex_jupyter").raise_error()
        assert [type(each).__name__ for each in shell.configurables].count("CodexMagics") == 1
        shell.run_cell("%unload_ext codex_jupyter").raise_error()


def test_enable_loads_the_extension_in_every_new_kernel_until_it_is_disabled(new_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """It says which file it wrote; a second time changes nothing; no name of its own is left in the namespace."""
    env = {"IPYTHONDIR": str(tmp_path / "ipython")}
    first = new_kernel(**env)
    said = first.execute("%codex enable").text
    [file] = (tmp_path / "ipython" / "profile_default" / "startup").glob("*.py")
    assert str(file) in said
    written = file.read_bytes()
    assert "already" in first.execute("%codex enable").text
    assert file.read_bytes() == written

    second = new_kernel(load=False, **env)
    assert "Example" in second.execute("%codex help").text
    assert second.execute("%who").text.strip() == "Interactive namespace is empty."
    assert second.execute("import sys; '' in sys.path").value == "True"
    assert str(file) in second.execute("%codex disable").text
    assert not file.exists()
    assert "Nothing to disable" in second.execute("%codex enable off").text
    assert "not found" in new_kernel(load=False, **env).execute("%codex help").text


def test_a_file_of_the_notebooks_folder_is_not_loaded_in_place_of_the_extension(new_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """An agent may write there, and what it wrote would run at the start of every kernel."""
    env = {"IPYTHONDIR": str(tmp_path / "ipython")}
    assert new_kernel(**env).execute("%codex enable").error is None
    (tmp_path / "codex_jupyter.py").write_text("open('planted-has-run', 'w').close()\ndef load_ipython_extension(shell): pass\n")
    kernel = new_kernel(load=False, **env)
    assert "Example" in kernel.execute("%codex help").text
    assert not (tmp_path / "planted-has-run").exists()


@pytest.mark.integration
def test_an_environment_without_the_package_starts_as_before(tmp_path: Path) -> None:
    """The profile is shared by all environments of a user."""
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "50-codex-jupyter.py").write_text(SOURCE)
    done = subprocess.run(
        [sys.executable, "-c", HIDE],
        env={**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "42"
    assert done.stderr == ""


def _unwritable(tmp_path: Path) -> Path:
    """A folder that exists and that no user can write to, not even root."""
    folder = tmp_path / "read-only"
    if os.geteuid() == 0:
        folder.symlink_to("/proc/sys/kernel")
    else:
        folder.mkdir(mode=0o500)
    return folder


def test_enable_in_a_read_only_profile_is_one_line(new_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """It says why nothing was enabled, and what to do instead."""
    kernel = new_kernel(IPYTHONDIR=str(tmp_path / "ipython"))
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    for file in startup.iterdir():
        file.unlink()
    startup.rmdir()
    startup.symlink_to(_unwritable(tmp_path))
    said = kernel.execute("%codex enable").text
    assert re.search(r"^UsageError: Nothing was enabled: .* cannot be written .*%load_ext codex_jupyter", said)
    assert len(said.strip().splitlines()) == 1


def test_enable_in_a_temporary_profile_is_refused(new_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """IPython takes such a profile when its own folder cannot be written to; nothing would be left of it in the next kernel."""
    kernel = new_kernel(IPYTHONDIR=str(_unwritable(tmp_path)))
    said = kernel.execute("%codex enable").text
    assert "its profile is temporary" in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("stats", "`%codex status`"),
        ("help fix", "`%codex help`"),
        ("status?", "`%codex status`"),
        ("Status", "`%codex status`"),
        ("hlep", "`%codex help`"),
        ("theads", "`%codex threads`"),
        ("exprot md notes.md", "`%codex export FORMAT [FILE]`"),
        ("steer", "`%codex steer TEXT`"),
        ("dmeo", "`%codex demo [NAME]` or `%codex demo off`"),
        ("insert two", "`%codex insert [N]`"),
        ("fork my-name", "`%codex fork [NAME]`"),
        ("stop!", "`%codex stop`"),
        ("enabel", "`%codex enable`"),
    ],
)
def test_a_mistyped_command_is_not_sent_as_a_prompt(kernel: Kernel, scripted: Callable[..., ScriptedModel], line: str, meant: str) -> None:
    """One line asks for what was meant, and says how to send it all the same, which works."""
    model = scripted(["Sent."])
    said = kernel.execute(f"%codex {line}").text.strip()
    assert said == f"UsageError: Did you mean {meant}? Nothing was sent; `%codex -- {line}` sends this line as a prompt."
    assert model.requests == []
    assert "Sent." in kernel.execute(f"%codex -- {line}").text
    assert [request.prompt for request in model.requests] == [line]


@pytest.mark.parametrize("word", sorted({command.usage.split()[0] for command in COMMANDS if command.usage}))
def test_every_command_is_close_to_itself(word: str) -> None:
    """With a question mark, in capitals, and, if it is long enough, with its last letters in the wrong order."""
    for line in (f"{word}?", word.upper(), f"{word[:-2]}{word[-1]}{word[-2]}!" if len(word) > 3 else f"{word}!"):
        with pytest.raises(UsageError, match=f"Did you mean `%codex {word}"):
            find_command(line)


@pytest.mark.parametrize(
    "line",
    [
        "Why?",
        "how many rows?",
        "for each column",
        "what happened?",
        "now plot it",
        "explain this",
        "show me the outliers",
        "fix the labels of the axes",
        "status of the data",
        "use polars instead of pandas",
        "@plot why?",
        "...",
        "?",
    ],
)
def test_a_prompt_that_only_starts_like_a_command_is_a_prompt(line: str) -> None:
    """It is longer than a command, or starts with an everyday word."""
    assert find_command(line) is None


@pytest.mark.parametrize("obstacle", ["a file in its place", "a read-only folder"])
def test_the_demo_starts_where_the_state_folder_cannot_be_written(new_kernel: Callable[..., Kernel], tmp_path: Path, obstacle: str) -> None:
    """It takes a temporary home, which is removed with the demo; nothing is shown of that."""
    state, temporary = tmp_path / "state", tmp_path / "temporary"
    temporary.mkdir()
    (state / "codex-jupyter").mkdir(parents=True)
    if obstacle == "a file in its place":
        (state / "codex-jupyter" / "demo").write_text("")
    else:
        (state / "codex-jupyter" / "demo").symlink_to(_unwritable(tmp_path))
    kernel = new_kernel(XDG_STATE_HOME=str(state), TMPDIR=str(temporary))
    started = kernel.execute("%codex demo")
    assert started.error is None
    assert "Traceback" not in started.text
    assert "a script answers" in started.text
    done = kernel.execute("%codex Hello there, who are you?")
    assert "completed" in done.text
    assert list(temporary.glob("codex-jupyter-demo-*"))
    kernel.execute("%codex demo off")
    assert not list(temporary.glob("codex-jupyter-demo-*"))


def test_a_demo_that_cannot_start_is_one_line_and_changes_nothing(kernel: Kernel, scripted: Callable[..., ScriptedModel]) -> None:
    """The client that was in use answers the next prompt."""
    scripted(["Still here."])
    kernel.execute("from codex_jupyter.testing import ScriptedModel\nbroken = ScriptedModel(['never'], codex_home='/dev/null/home')")
    error = kernel.execute("%codex use broken").error
    assert error is not None
    assert error.startswith("CodexError: The scripted model cannot start: ")
    assert len(error.splitlines()) == 1
    assert "Still here." in kernel.execute("%%codex\ngo").text
