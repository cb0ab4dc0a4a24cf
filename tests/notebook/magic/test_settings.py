"""The magic in a real shell: its settings, its help, what it refuses, and what Tab offers."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets import TraitError

from codex_jupyter.notebook.magic import commands
from codex_jupyter.notebook.magic.command_table import COMMANDS
from codex_jupyter.notebook.magic.line_parser import option_parser
from codex_jupyter.notebook.magic.magics import CodexMagics
from codex_jupyter.notebook.magic.option_table import FLAGS
from tests.notebook.shells import new_shell

OPTIONS = vars(option_parser().parse_args([]))
"""The options of a line, by name."""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell as `ipython_config.py` configures it, with the extension loaded."""
    monkeypatch.chdir(tmp_path)
    with new_shell(tmp_path / "ipython", {"CodexMagics": {"sandbox": "workspace-write", "model": "configured"}}) as shell:
        run(shell, "%load_ext codex_jupyter")
        yield shell
        run(shell, "%unload_ext codex_jupyter")


def run(shell: InteractiveShell, line: str) -> None:
    shell.run_cell(line, store_history=True).raise_error()


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_a_setting(option: str) -> None:
    """Of the same name and with help. `--config` is called `settings`, because a `Configurable` has a `config`, and `--tool` is `tools`."""
    assert CodexMagics.class_traits(config=True)[{"config": "settings", "tool": "tools"}.get(option, option)].help


def test_the_help_is_complete_and_the_same_everywhere(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    """`%codex help` and `%codex?`: every option, every command, examples."""
    run(shell, "%codex help")
    text = capsys.readouterr().out.strip()
    assert shell.object_inspect("%codex")["docstring"].strip() == text
    for flag in FLAGS:
        assert re.search(rf"^  .*{re.escape(flag.replace('--no-', '--[no-]'))}\b", text, re.MULTILINE) or f"[no-]{flag[2:]}" in text
    for command in COMMANDS:
        assert f"%codex {command.usage}" in text
    assert "\nOthers:\n" not in text  # each command has a group
    assert "Examples:" in text


def test_every_command_of_the_table_matches_its_usage_and_has_a_function() -> None:
    for command in COMMANDS:
        assert callable(getattr(commands, command.function))
        assert not command.usage or re.fullmatch(command.regex, command.words) or re.fullmatch(command.regex, f"{command.words} x")


def test_tab_offers_every_command(shell: InteractiveShell) -> None:
    magics = shell.magics_manager.registry["CodexMagics"]
    for command in COMMANDS:
        *before, word = command.words.split() or ["status"]
        assert word in magics.complete(f"%codex {' '.join([*before, word[:2]])}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sandbox", "everything"),
        ("model", 3),
        ("timeout", -1),
        ("timeout", float("nan")),
        ("context", "vars+bogus"),
        ("thread", "two words"),
        ("out", "1x"),
        ("out", "class"),
        ("settings", "x"),
        ("max_tokens_per_turn", 1.5),
        ("transport", "pigeon"),
        ("bg", "perhaps"),
    ],
)
def test_a_setting_is_checked(shell: InteractiveShell, name: str, value: object) -> None:
    """When it is set, not when it is used."""
    magics = shell.magics_manager.registry["CodexMagics"]
    before = getattr(magics, name)
    with pytest.raises(TraitError, match=r"."):
        setattr(magics, name, value)
    assert getattr(magics, name) == before


def test_a_cell_comes_before_the_settings_and_they_before_codex(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`ipython_config.py`, then `%config`, then the options of the cell; what is empty is left to Codex."""
    run(shell, "%config CodexMagics.transport = 'exec'")

    def request(options: str) -> str:
        run(shell, f"%codex --dry-run --context none {options} {{1}} go")
        return capsys.readouterr().out

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert "--model configured --sandbox workspace-write" in request("")
    run(shell, "%config CodexMagics.model = 'set'")
    assert "--model set" in request("")
    assert "--model given" in request("-m given")
    assert "--model" not in request("-m ''")
    run(shell, "%config CodexMagics.settings = {'tools': {'x': 1}}")
    run(shell, f"%config CodexMagics.add_dir = [{str(tmp_path / 'one')!r}]")
    shown = request(f"-c tools.x=2 --add-dir {tmp_path / 'two'}")
    assert shown.index("tools.x=1") < shown.index("tools.x=2")
    assert shown.index(f"--add-dir {tmp_path / 'one'}") < shown.index(f"--add-dir {tmp_path / 'two'}")
    run(shell, "%config CodexMagics.dry_run = True\n%config CodexMagics.expand = False\nx = 5")
    run(shell, "%codex what is {x}?")
    assert "what is {x}?" in capsys.readouterr().out
    run(shell, "%codex --expand what is {x}?")
    assert "what is 5?" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%codex --modle x go", "There is no option --modle. Did you mean --model?"),
        ("%%codex --sandbx=read-only\ngo", "Did you mean --sandbox?"),
        ("%codex", "The prompt is empty."),
        ("%%codex", "The prompt is empty."),
        ("%%codex -s read-only", "The prompt is empty."),
        ("%codex -t two-words go", "-t takes a name"),
        ("%codex -o 1x go", "-o takes a name"),
        ("%codex -o class go", "class is a keyword of Python"),
        *(
            (f"%codex -o {name} go", f"{name} belongs to IPython or Python")
            for name in ("In", "get_ipython", "_", "_i", "_12", "_oh", "__builtins__")
        ),
        ("%codex --add-dir nowhere go", "--add-dir: there is no folder "),
        ("%codex fork main", "The copy needs another name"),
        ("%codex --schema Nowhere go", "--schema: Nowhere is not defined, and not a JSON file."),
        ("%codex --schema missing.json go", "--schema: missing.json cannot be read"),
        ("%codex --context vars:missing go", "there is no variable missing"),
        ("%codex --context nonsense go", "--context does not know 'nonsense'"),
        ("%codex resume nowhere", "There is no thread nowhere (known: none)."),
        ("%codex resume", "There is no earlier thread of this notebook."),
        ("%codex -r go", "There is no earlier thread of this notebook."),
        ("%codex export pdf", "takes a format, md or html or ipynb or jsonl"),
        ("%codex export", "takes a format"),
        ("%codex use nothing", "nothing is not defined"),
        ("%codex use", "takes the name of a Codex client"),
        ("%codex insert", "The last answer has no code block."),
        ("%codex fix", "No cell has failed"),
        ("%codex show", "There is no turn yet"),
    ],
)
def test_a_wrong_line_is_one_line_of_usage(shell: InteractiveShell, cell: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The message states the mistake and the remedy. Nothing is started."""
    with pytest.raises(UsageError, match=re.escape(message)):
        run(shell, cell)
    [line] = [line for line in capsys.readouterr().err.splitlines() if line]
    assert line.startswith("UsageError: ")


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("%codex -s ", ["read-only", "workspace-write", "danger-full-access"]),
        ("%codex --sandbox=w", ["workspace-write"]),
        ("%codex -a ", ["never", "on-request", "on-failure"]),
        ("%codex --web-search ", ["disabled", "cached", "live"]),
        ("%codex -e h", ["high"]),
        ("%codex --context ", ["auto", "vars", "cells", "outputs", "error", "none"]),
        ("%codex -o ver", ["verdict_of_mine"]),
        ("%codex --schema ver", ["verdict_of_mine"]),
        ("%codex --schema form", ["form.json"]),
        ("%codex -C fol", ["folder/"]),
        ("%codex --add-dir fol", ["folder/"]),
        ("%codex -i pho", ["photo.png"]),
        ("%codex -r ", ["last"]),
        ("%codex --no-r", ["--no-raise"]),
        ("%codex exp", ["export"]),
        ("%codex export h", ["html"]),
        ("%codex Explain sta", None),
    ],
)
@pytest.mark.parametrize("magic", ["%", "%%"])
def test_tab_offers_the_values_of_each_option(
    shell: InteractiveShell, tmp_path: Path, line: str, offers: list[str] | None, magic: str
) -> None:
    """On a line and on a cell, and nothing of Jedi's."""
    shell.user_ns["verdict_of_mine"] = shell.user_ns["status_of_mine"] = 1
    (tmp_path / "folder").mkdir()
    for name in ("form.json", "photo.png"):
        (tmp_path / name).write_text("")
    line = line if magic == "%" else f"%{line}"
    if magic == "%%" and "exp" in line:
        offers = None  # commands are for lines
    with provisionalcompleter():
        matches = [each.text for each in shell.Completer.completions(line, len(line))]
    if offers is None:
        assert not {"status", "stop"} & set(matches)
    else:
        assert matches == offers
