"""The rights of a turn as a notebook shows them: those that the CLI reports, in cells, in the background and in the chat."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.testing import ScriptedModel, ScriptedTurn, edit_file, shell, write_file
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Kernel

Scripted = Callable[[Script], ScriptedModel]
BOTH: tuple[TransportName, ...] = ("auto", "exec")
FULL = "⚠ no sandbox (danger-full-access)"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder of the notebook."""
    return tmp_path / "work"


@pytest.fixture(params=BOTH)
def start(request: pytest.FixtureRequest, kernel: Kernel, scripted: Scripted) -> Callable[[Script, str], ScriptedModel]:
    """Have a script answer, over either transport, with a configuration of the user."""

    def run(script: Script, configuration: str = "") -> ScriptedModel:
        model = scripted(script)
        (model.codex_home / "config.toml").write_text(configuration)
        if request.param != "auto":
            use = f"client = codex_jupyter.Codex(client.options, transport={request.param!r})\n%codex use client"
            assert kernel.execute(use).error is None
        return model

    return run


Start = Callable[..., ScriptedModel]


def test_the_header_has_a_sandbox_that_comes_from_the_configuration(kernel: Kernel, start: Start) -> None:
    start(["Hi."], 'sandbox_mode = "danger-full-access"\n')
    done = kernel.execute("%codex go")
    assert FULL in done.text
    assert "Nothing keeps the agent from changing what this kernel runs" in done.text
    assert f'font-weight:600">{FULL}' in done.html
    assert "requested" not in done.text


def test_the_header_has_the_sandbox_of_a_trusted_folder(kernel: Kernel, start: Start, work: Path) -> None:
    start(["Hi."], f'[projects."{work}"]\ntrust_level = "trusted"\n')
    assert "⚠ sandbox workspace-write" in kernel.execute("%codex go").text


def test_a_read_only_turn_is_shown_without_a_warning(kernel: Kernel, start: Start) -> None:
    start(["Hi."])
    done = kernel.execute("%codex go")
    assert "sandbox read-only" in done.text
    assert "⚠" not in done.text


def test_the_header_names_what_is_sent_along(kernel: Kernel, start: Start, work: Path) -> None:
    start(["Hi."])
    (work / "AGENTS.md").write_text("Be kind.\n")
    skill = work / ".agents/skills/tidy/SKILL.md"
    skill.parent.mkdir(parents=True)
    skill.write_text("---\nname: tidy\ndescription: tidies up\n---\nTidy.\n")
    done = kernel.execute("%codex go")
    assert "also sent: AGENTS.md, skill tidy" in done.text
    assert "also sent: AGENTS.md, skill tidy" in done.html


def test_what_the_kernel_runs_is_read_only_in_a_turn_that_may_write(kernel: Kernel, start: Start, work: Path) -> None:
    """The notebook, folders on `sys.path` and on the `PATH`; not the folder of the notebook itself, which is on `sys.path`, too."""
    for folder in ("src", "tools"):
        (work / folder).mkdir()
    (work / "nb.ipynb").write_text("{}")
    steps = [shell(f"echo evil > {name}; sleep 0.2") for name in ("src/evil.py", "tools/codex", "fine.txt")]
    named = ScriptedTurn(["Done."], match="use the tools read_notebook")  # the agent reads it after the patch
    start(
        [[*([step] for step in steps), [edit_file("nb.ipynb", "{}", "evil")], "Done."], named, [[write_file("src/mine.py", "x")], "Done."]]
    )
    kernel.execute(
        f"import os, sys; sys.path.append({str(work / 'src')!r}); os.environ['PATH'] += {':' + str(work / 'tools')!r}\n"
        f"__session__ = {str(work / 'nb.ipynb')!r}"
    )
    try:
        done = kernel.execute("%codex -s workspace-write go")
        assert (work / "nb.ipynb").read_text() == "{}"
        assert not list((work / "src").iterdir()) + list((work / "tools").iterdir())
        assert (work / "fine.txt").exists()
        assert "refused 3 steps" in done.text
        assert "Read-only, because it is open: nb.ipynb. Read-only, because this kernel runs what is there: src, tools." in done.text
        assert "`--add-dir FOLDER`" in done.text
        kernel.execute("%codex -s workspace-write --add-dir src go")
        assert (work / "src/mine.py").exists()
    finally:
        kernel.execute("sys.path.pop(); os.environ['PATH'] = os.environ['PATH'].rpartition(':')[0]; del __session__")


def test_a_refused_write_is_shown_with_the_way_to_allow_it(kernel: Kernel, start: Start, work: Path) -> None:
    """Though the CLI may send no item for it."""
    start([[[shell("touch x")], [write_file("y.txt", "y")], "Done."]])
    done = kernel.execute("%codex go")
    assert not list(work.iterdir())
    assert "touch x" in done.text
    assert "y.txt" in done.text
    assert "refused 2 steps. To allow it: `-s workspace-write` lets the agent change files in the folder" in done.text
    assert "`-a on-request` lets it ask you" in done.text


@pytest.mark.parametrize("cell", ["%codex {} go", "%codex --bg {} go", "codex_jupyter.chat({}).ask('go')"])
def test_after_a_turn_without_a_sandbox_the_next_one_has_it_again(kernel: Kernel, scripted: Scripted, codex_home: Path, cell: str) -> None:
    """In cells, in the background and in the chat; also after `%codex release` and in a fork."""
    outside = codex_home / "outside"
    scripted([[[shell(f"touch {outside}-{number}")], "Done."] for number in range(6)])

    full, fork = ("sandbox='danger-full-access'", "'fork'") if "chat" in cell else ("-s danger-full-access", "-t fork")
    written = []
    for number, (command, option) in enumerate((("", full), ("", ""), ("", full), ("release", ""), ("fork", fork))):
        assert command == "" or kernel.execute(f"%codex {command}").error is None
        assert kernel.execute(cell.format(option)).error is None
        kernel.execute("%codex wait")
        written.append(Path(f"{outside}-{number}").exists())
    assert written == [True, False, True, False, False]


def test_the_chat_shows_the_reported_sandbox(kernel: Kernel, start: Start) -> None:
    start(["Hi."], 'sandbox_mode = "danger-full-access"\n')
    kernel.execute("chat = codex_jupyter.chat(); chat.ask('go')\n%codex wait")
    assert kernel.execute(f"{FULL!r} in chat.copy()['text/html']").value == "True"


def test_the_status_has_the_sandbox_of_the_last_turn(kernel: Kernel, start: Start) -> None:
    start(["Hi."], 'sandbox_mode = "danger-full-access"\n')
    kernel.execute("%codex go")
    assert "no sandbox (danger-full-access)" in kernel.execute("%codex status").text


def test_the_environment_of_the_kernel_and_the_cli_are_among_what_is_protected(kernel: Kernel, scripted: Scripted) -> None:
    """Not the folder in which it works."""
    scripted(["Hi."])
    kernel.execute("turn = %codex -s danger-full-access go")
    kernel.execute("import os, site, sys\nexecutable = (await client.locate()).path")
    wanted = "{sys.prefix, *filter(os.path.exists, site.getsitepackages()), str(executable.parent.parent), get_ipython().ipython_dir}"
    paths = "{str(path) for path in turn.rights.unprotected}"
    assert kernel.execute(f"{wanted} - {paths}, os.getcwd() in {paths}").value == "(set(), False)"


PLANTED = {
    ".local/share/jupyter/kernels/python3/kernel.json": "what a kernel is started with",
    ".jupyter/jupyter_server_config.py": "the configuration of the server",
    ".local/lib/python{0}.{1}/site-packages/usercustomize.py": "what Python runs when it starts",
    "startup.py": "what IPython runs when it starts",
}


def test_in_the_home_folder_what_the_next_kernel_runs_cannot_be_planted(new_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """As on a hub, where notebooks lie in the home folder. The folders need not exist before."""
    home, temporary = tmp_path / "user", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    (home / "startup.py").write_text("")
    kernel = new_kernel(HOME=str(home), PYTHONSTARTUP=str(home / "startup.py"))
    files = [home / name.format(*sys.version_info) for name in PLANTED]
    steps = [[shell(f"mkdir -p {file.parent}; echo evil > {file}")] for file in files]
    with ScriptedModel([[*steps, [shell(f"echo x > {home}/fine")], "Done."]], codex_home=home / "codex") as model:
        kernel.use(model, TMPDIR=str(temporary))
        kernel.execute(f"%cd -q {home}\n%config CodexMagics.context = 'none'")
        kernel.execute("%codex -s workspace-write go")
    assert [file for file in files if file.exists() and file.read_text()] == []
    assert (home / "fine").exists()
