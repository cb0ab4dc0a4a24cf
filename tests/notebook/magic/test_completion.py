"""Tab completion in IPython's own completer and in a real kernel."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from codex_jupyter.notebook.magic.completion import OptionHint, candidates, current_word
from codex_jupyter.notebook.magic.matcher import install, uninstall
from tests.notebook.conftest import LIMIT, Kernel
from tests.notebook.shells import new_shell


def failing() -> Iterable[str]:
    raise RuntimeError("no models today")


SANDBOX = OptionHint(lambda: ["read-only", "workspace-write", "danger-full-access"], takes_value=True)
OPTIONS = {
    "-s": SANDBOX,
    "--sandbox": SANDBOX,
    "-t": OptionHint(lambda: ["main", "my plots"], takes_value=True),
    "-C": OptionHint(takes_value=True, is_path=True),
    "--model": OptionHint(failing, takes_value=True),
    "-o": OptionHint(takes_value=True),
    "-n": OptionHint(),
    "--new": OptionHint(),
}
COMMANDS = ["status", "stop", "demo", "demo off", "fork"]


def complete(line: str) -> list[str]:
    return candidates(line, options=OPTIONS, commands=COMMANDS)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%codex --", ["--sandbox", "--model", "--new"]),
        ("%%codex --sa", ["--sandbox"]),
        ("%codex -", list(OPTIONS)),
        ("turn = %codex -n --s", ["--sandbox"]),
        ("  %codex --s", ["--sandbox"]),
        ("%codex -s ", ["read-only", "workspace-write", "danger-full-access"]),
        ("%codex -s w", ["workspace-write"]),
        ("%%codex --sandbox=re", ["read-only"]),
        ("%%codex -n --sandbox=", ["read-only", "workspace-write", "danger-full-access"]),
        ("%codex -t m", ["main", '"my plots"']),
        ('%codex -t "my', ['"my plots"']),
        ("%codex -t 'my p", ['"my plots"']),
        ("%codex st", ["status", "stop"]),
        ("%codex ", ["status", "stop", "demo", "fork"]),
        ("%codex -n f", ["fork"]),
        ("%codex demo ", ["off"]),
        ("%codex -s read-only demo o", ["off"]),
    ],
)
def test_options_values_and_commands_are_offered(line: str, expected: list[str]) -> None:
    """In their order, for the line and the cell form."""
    assert complete(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "%codex explain -",
        "%codex explain --s",
        "%%codex st",
        "%%codex ",
        "%codex what is the st",
        "%codex -- -",
        "%codex -- st",
        "%codex --unknown ",
        "%codex --unknown=x",
        "%codex --model ",
        "%codex --model=g",
        "%codex -o ",
        "%codex -s nonsense",
        "%codex it's -s ",
        "%codex status ",
        "%codex",
        "%codexx -",
        "codex -",
        "x = 5 -",
        "",
    ],
)
def test_nothing_is_offered_in_a_prompt_or_elsewhere(line: str) -> None:
    """Nor after what is not known, and a list of values that fails is empty."""
    assert complete(line) == []


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("%codex --sandbox=re", "re"),
        ("%codex --sandbox=", ""),
        ("%codex --sa", "--sa"),
        ("%codex -s ", ""),
        ('%codex -C "a b/c', '"a b/c'),
        ('%codex -C="a b/"', '"a b/"'),
        ("%codex a=b", "a=b"),
        ("x = 5", ""),
    ],
)
def test_the_word_that_is_replaced(line: str, word: str) -> None:
    """A line ends with it."""
    assert current_word(line) == word
    assert line.endswith(word)


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("%codex -s=\"'~/t\n\t"), max_size=40).map("%codex ".__add__))
def test_no_line_is_an_error(line: str) -> None:
    """Each completion replaces the end of the line."""
    assert line.endswith(current_word(line))
    assert all(isinstance(text, str) for text in complete(line))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("data", "my folder/sub dir", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("data/a.png", "data/it's.png", 'my folder/say "x".png', "my.txt"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("", ["data/", '"my folder/"', "my.txt"]),
        ("da", ["data/"]),
        ("data/", ["data/a.png", '"data/it\'s.png"']),
        ("\"data/it's", ['"data/it\'s.png"']),
        ("my", ['"my folder/"', "my.txt"]),
        ('"my folder/', ["'my folder/say \"x\".png'", '"my folder/sub dir/"']),
        ('"my folder/"', ["'my folder/say \"x\".png'", '"my folder/sub dir/"']),
        ('"my folder/su', ['"my folder/sub dir/"']),
        (".", [".hidden/"]),
        ("~", ["~/"]),
        ("~/da", ["~/data/"]),
        ("nowhere/", []),
        ("my.txt/", []),
        ("~nobody-of-this-name/", []),
        ("a\0/", []),
    ],
)
def test_paths_are_offered(folder: Path, start: str, expected: list[str]) -> None:
    """Folders end with a slash, blanks are quoted, and a path in quotes can be continued."""
    assert complete(f"%codex -C {start}") == expected
    assert complete(f"%%codex -C={start}") == expected
    assert complete(f"%codex -C {folder}/da") == [f"{folder}/data/"]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[InteractiveShell]:
    config = {"HistoryManager": {"hist_file": ":memory:"}}
    with new_shell(tmp_path / "ipython", config, user_ns={"status_of_mine": 1, "sandcastle": 2}) as shell:
        install(shell, complete)
        yield shell
        uninstall(shell)


def offered(shell: InteractiveShell, cell: str, cursor: int | None = None) -> list[str]:
    """Return the cell after each completion that a front end shows."""
    cursor = len(cell) if cursor is None else cursor
    with provisionalcompleter():
        completions = list(shell.Completer.completions(cell, cursor))
    return [cell[: each.start] + each.text + cell[each.end :] for each in completions]


@pytest.mark.parametrize(
    ("line", "text", "matches"),
    [
        ("%codex --sa", "--sa", ["--sandbox"]),
        ("%%codex --sandbox=wo", "wo", ["workspace-write"]),
        ("%codex -s ", "", ["read-only", "workspace-write", "danger-full-access"]),
        ("%codex sta", "sta", ["status"]),
        ('%codex -t "my p', '"my p', ['"my plots"']),
    ],
)
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_the_shell_completes_a_line(shell: InteractiveShell, line: str, text: str, matches: list[str]) -> None:
    """Only ours, in our order, although a variable has the same prefix."""
    assert shell.complete("", line, len(line)) == (text, matches)
    assert shell.Completer.complete(line_buffer=line, cursor_pos=len(line)) == (text, matches)


def test_only_ours_are_shown(shell: InteractiveShell) -> None:
    """Jedi is silent where there is something to offer, in both forms and with a body below."""
    assert offered(shell, "%codex --s") == ["%codex --sandbox"]
    assert offered(shell, "turn = %codex sta") == ["turn = %codex status"]
    assert offered(shell, "x = 1\n%codex --s\ny = 2", len("x = 1\n%codex --s")) == ["x = 1\n%codex --sandbox\ny = 2"]
    body = "\nExplain this.\n%codex --s"
    assert offered(shell, "%%codex --sandbox=w" + body, len("%%codex --sandbox=w")) == ["%%codex --sandbox=workspace-write" + body]
    assert offered(shell, "\n\n%%codex --ne") == ["\n\n%%codex --new"]


def test_the_others_are_not_even_asked(shell: InteractiveShell) -> None:
    """Jedi can take a second to find what is not shown then."""
    asked: list[str] = []

    def other(text: str) -> list[str]:
        asked.append(text)
        return []

    shell.Completer.custom_matchers.insert(0, other)
    assert offered(shell, "%codex --s") == ["%codex --sandbox"]
    assert asked == []
    offered(shell, "status_o")
    assert asked == ["status_o"]


def test_the_body_is_left_to_the_others(shell: InteractiveShell) -> None:
    """A line of a prompt that looks like the magic is text, and the notebook's variables are still found in code."""
    assert not [cell for cell in offered(shell, "%%codex\n%codex --s") if "--sandbox" in cell]
    assert not [cell for cell in offered(shell, "x = 1\n%%codex --s") if "--sandbox" in cell]
    assert "status_of_mine" in offered(shell, "status_o")


def test_an_error_gives_no_completion(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not printed into the user's cell either."""

    def broken(_: str) -> list[str]:
        raise RuntimeError("broken")

    install(shell, broken)
    offered(shell, "%codex --s")
    assert "broken" not in capsys.readouterr().err


def test_uninstalling_leaves_nothing(shell: InteractiveShell) -> None:
    """Installing twice is the same as once."""
    install(shell, complete)
    assert len(shell.Completer.custom_matchers) == 1
    uninstall(shell)
    uninstall(shell)
    assert shell.Completer.custom_matchers == []
    assert "%codex --sandbox" not in offered(shell, "%codex --s")


SET_UP = """
from codex_jupyter.notebook.magic.completion import OptionHint, candidates
from codex_jupyter.notebook.magic.matcher import install
options = {"--sandbox": OptionHint(lambda: ["read-only", "workspace-write"], takes_value=True)}
install(get_ipython(), lambda line: candidates(line, options=options, commands=["status"]))
"""


def completed(kernel: Kernel, cell: str, cursor: int) -> dict[str, Any]:
    """The kernel's answer. A slow kernel may have answers to earlier requests in the queue."""
    request = kernel.client.complete(cell, cursor)
    while (message := kernel.client.get_shell_msg(timeout=LIMIT))["parent_header"].get("msg_id") != request:
        pass
    content: dict[str, Any] = message["content"]
    return content


def test_a_real_kernel_completes(kernel: Kernel) -> None:
    """Its answer to a front end's request has our values and the range that they replace."""
    assert kernel.execute(SET_UP).error is None
    try:
        for cell, cursor, expected in [
            ("%%codex --sandbox=w\nbody", 19, (["workspace-write"], 18, 19)),
            ("%codex sta", 10, (["status"], 7, 10)),
        ]:
            content = completed(kernel, cell, cursor)
            assert (content["matches"], content["cursor_start"], content["cursor_end"]) == expected, json.dumps(content)
    finally:
        kernel.execute("from codex_jupyter.notebook.magic.matcher import uninstall\nuninstall(get_ipython())")
