"""Only an executable that no one but the user could have written is used, and nothing else runs while one is searched for."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest
from jupyter_client.manager import KernelManager

from codex_jupyter.sdk import Codex, locate_codex
from codex_jupyter.sdk.executable import trust
from codex_jupyter.sdk.executable.locate import CodexCli, search_codex
from codex_jupyter.testing import ScriptedModel
from tests.codex_home import used_home
from tests.invented import NEWEST, OLDEST, UNTESTED
from tests.notebook.conftest import Kernel
from tests.sdk.support.fake import wait_until

FOREIGN = 54321
"""The id of another user."""
BUNDLED = locate_codex(env={"PATH": ""}, folder=Path("/")).path


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder outside of the temporary folders, which an agent may write to."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        path = Path(folder).resolve()
        (path / "work").mkdir()
        (path / "home").mkdir()
        yield path


@pytest.fixture
def plant(base: Path) -> Callable[[str], Path]:
    """Write a program that calls itself codex, and leaves a file when it is run."""

    def write(place: str, body: str = f'echo "codex-cli {NEWEST}"') -> Path:
        path = base / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n: > {base}/ran-$$\n{body}\n")
        path.chmod(0o755)
        return path

    return write


def ran(base: Path) -> list[str]:
    return [name for name in os.listdir(base) if name.startswith("ran-")]


def search(base: Path, *path: str, **options: object) -> tuple[CodexCli | None, str]:
    """Look for an executable from the folder `work`, and give what was seen as text."""
    env = {"HOME": str(base / "home"), "PATH": ":".join(path)}
    cli, tried = search_codex(env=env, folder=base / "work", **options)  # type: ignore[arg-type]
    return cli, "\n".join(map(str, tried))


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executable of the wheel is not installed, so that the last places are looked at."""
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if not (Path(entry) / "codex_cli_bin").exists()])


PLANTED = [
    "work/node_modules/.bin/codex",
    "node_modules/.bin/codex",
    "work/bin/codex",
    "work/codex",
    "work/codex_cli_bin/bin/codex",
    "home/.local/bin/codex",
]


def completions(kernel: Kernel, line: str) -> str:
    kernel.client.complete(line)
    return str(kernel.client.get_shell_msg(timeout=60)["content"]["matches"])


@pytest.mark.integration
def test_no_front_runs_a_planted_executable(base: Path, plant: Callable[[str], Path], tmp_path: Path) -> None:
    """A kernel whose folder is full of them shows its status, examines itself, completes, opens a chat and runs a turn."""
    for place in PLANTED:
        plant(place)
    (base / "work" / "codex_cli_bin" / "__init__.py").write_text(
        f"from pathlib import Path\nPath({str(base)!r}, 'ran-import').touch()\n"
        f"def bundled_codex_path(): return Path({str(base / 'work/codex')!r})\n"
    )
    path = f"bin::.:node_modules/.bin:{base}/work/bin:{os.environ['PATH']}"
    manager = KernelManager(kernel_name="python3", transport="ipc", ip=str(tmp_path / "kernel"))
    manager.start_kernel(cwd=str(base / "work"), env={**os.environ, "PATH": path, "HOME": str(base / "home")})
    with ExitStack() as stack:
        kernel = Kernel(manager)
        stack.callback(kernel.close)
        model = stack.enter_context(ScriptedModel(["Hello!"], codex_home=used_home(tmp_path / "home")))
        kernel.execute("%load_ext codex_jupyter")
        status = kernel.execute("%codex status").text
        doctor = kernel.execute("%codex doctor").text
        # Tab waits for the models for a short time only, and offers them as soon as they are known.
        wait_until(lambda: "gpt" in completions(kernel, "%codex -m "), 60)
        kernel.execute("%codex chat")
        kernel.use(model)
        assert "Hello!" in kernel.execute("%codex hi").text
    assert ran(base) == []
    assert str(BUNDLED) in status
    assert f"{base}/work/bin/codex: skipped, because it lies in {base}/work, where the agent may write" in doctor
    assert "PATH: bin/codex: skipped, because its entry in PATH is relative" in doctor
    assert f"node_modules: {base}/node_modules/.bin/codex: not used, because another one comes first" in doctor


@pytest.mark.parametrize("entry", ["bin", "", ".", "./bin", "../work/bin"])
def test_a_relative_entry_of_path_is_skipped(base: Path, plant: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    """Empty ones are relative, too."""
    plant("work/bin/codex")
    plant("work/codex")
    monkeypatch.chdir(base / "work")
    cli, seen = search(base, entry)
    assert cli is not None
    assert cli.source == "bundled"
    assert "is relative, so that it depends on the current folder" in seen
    assert ran(base) == []


@pytest.mark.parametrize("how", ["working", "additional", "TMPDIR", "inside", "link in", "link out", "folder link", "launcher"])
def test_an_executable_on_path_that_the_agent_may_replace_is_skipped(base: Path, plant: Callable[[str], Path], how: str) -> None:
    """On every way to it: its folder, a folder above, a link on the way, or the program that a launcher starts."""
    env = {"HOME": str(base / "home"), "PATH": str(base / "bin")}
    additional: list[Path] = []
    if how in ("working", "inside", "link out", "folder link"):
        target = plant("work/codex" if how == "working" else "work/deep/bin/codex")
    else:
        target = plant("other/bin/codex")
    if how == "working":
        env["PATH"] = str(base / "work")
    elif how == "inside":
        env["PATH"] = str(target.parent)
    elif how == "additional":
        env["PATH"], additional = str(target.parent), [base / "other"]
    elif how == "TMPDIR":
        env.update(PATH=str(target.parent), TMPDIR=str(base / "other"))
    elif how == "link in":
        (base / "work" / "bin").symlink_to(target.parent)
        env["PATH"] = str(base / "work" / "bin")
    elif how == "link out":
        (base / "bin").mkdir()
        (base / "bin" / "codex").symlink_to("../work/deep/../deep/bin/codex")
    elif how == "folder link":
        (base / "bin").symlink_to(base / "work" / "deep" / "bin")
    elif how == "launcher":
        script = plant("work/node_modules/@openai/codex/bin/codex.js")
        (base / "bin").mkdir()
        (base / "bin" / "codex").symlink_to(script)
    cli, tried = search_codex(env=env, folder=base / "work", additional=additional)
    assert cli is not None
    assert cli.source == "bundled"
    assert [place.skipped for place in tried] == [True, False]
    assert "where the agent may write" in str(tried[0])
    assert ran(base) == []


def test_an_executable_on_path_below_tmp_is_skipped(base: Path) -> None:
    """The sandbox lets the agent write there, with any TMPDIR."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder) / "codex"
        path.write_text(f"#!/bin/sh\necho codex-cli {NEWEST}\n")
        path.chmod(0o755)
        cli, seen = search(base, folder)
    assert cli is not None
    assert cli.source == "bundled"
    assert "it lies in /tmp, where the agent may write" in seen


@pytest.mark.integration
@pytest.mark.usefixtures("no_wheel")
@pytest.mark.parametrize("place", ["node_modules/.bin/codex", "home/.local/bin/codex"])
@pytest.mark.parametrize("how", ["file of others", "folder of others", "group", "world", "folder", "link", "none"])
def test_an_executable_that_another_user_may_replace_is_skipped(
    base: Path, plant: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, place: str, how: str
) -> None:
    """In `node_modules` and in the usual folders, with the reason; one that only this user can write is used."""
    path = plant(place)
    reason = {"group": "is writable by other users", "world": "is writable by other users", "folder": "is writable by other users"}
    if how in ("file of others", "folder of others"):
        give_away(path if how == "file of others" else path.parent.parent, monkeypatch)
    elif how in ("group", "world"):
        path.chmod(0o775 if how == "group" else 0o757)
    elif how == "folder":
        path.parent.parent.chmod(0o777)
    elif how == "link":
        open_folder = base / "open"
        open_folder.mkdir()
        open_folder.chmod(0o777)
        path.rename(open_folder / "codex")
        path.symlink_to(open_folder / "codex")
        reason[how] = "is writable by other users"
    cli, seen = search(base)
    if how == "none":
        assert cli is not None
        assert cli.path == path
    else:
        assert cli is None
        assert reason.get(how, "belongs to another user") in seen
        assert ran(base) == []


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a file to another user; who is not root can only be another user himself."""
    if os.geteuid() == 0:
        os.chown(path, FOREIGN, FOREIGN)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: FOREIGN)


@pytest.mark.integration
@pytest.mark.usefixtures("no_wheel")
def test_a_folder_of_ours_in_a_sticky_folder_is_trusted(base: Path, plant: Callable[[str], Path]) -> None:
    """No one else can rename or replace it, though the folder above is writable by everyone."""
    path = plant("node_modules/.bin/codex")
    base.chmod(0o1777)
    cli, _ = search(base)
    assert cli is not None
    assert cli.path == path
    base.chmod(0o777)
    assert search(base)[0] is None


@pytest.mark.usefixtures("no_wheel")
def test_helper_programs_that_another_user_may_replace_are_not_put_on_path(base: Path, plant: Callable[[str], Path]) -> None:
    """They would be run by the CLI."""
    plant("home/.codex/local/codex")
    plant("home/.codex/path/rg").chmod(0o777)
    cli, seen = search(base)
    assert cli is None
    assert "path/rg is writable by other users" in seen


def test_a_loop_of_links_is_not_followed(base: Path, plant: Callable[[str], Path]) -> None:
    """Links that lead to each other end the search of one place, not of all."""
    (base / "bin").mkdir()
    (base / "bin" / "codex").symlink_to("codex")
    cli, _ = search(base, str(base / "bin"))
    assert cli is not None
    with pytest.raises(OSError, match=r"links|Too many"):
        trust.owner_problem(base / "bin" / "codex")


def test_a_program_that_the_user_cannot_change_is_safe_in_the_working_folder(
    base: Path, plant: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox gives no rights that the user does not have, so that a kernel in `/` can use `/usr/bin/codex` of root."""
    path = plant("work/codex")
    writable = trust.agent_folders([base / "work"], {})
    assert trust.agent_problem(path, writable) is not None
    monkeypatch.setattr(os, "geteuid", lambda: FOREIGN)
    monkeypatch.setattr(os, "access", lambda *_args, **_options: False)
    assert trust.agent_problem(path, writable) is None


@pytest.mark.integration
def test_a_launcher_that_is_asked_for_its_version_finds_no_node_in_the_working_folder(
    base: Path, plant: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its PATH holds nothing that the agent may write to."""
    launcher = plant("bin/codex")
    launcher.write_text("#!/usr/bin/env node\n")
    plant("work/node")
    monkeypatch.chdir(base / "work")
    search(base, ".", "", str(base / "work"), str(base / "bin"), "/usr/bin", "/bin")
    assert ran(base) == []


@pytest.mark.integration
def test_one_that_the_user_names_is_used_wherever_it_is(base: Path, plant: Callable[[str], Path]) -> None:
    """In the working folder, too; nothing is said about it."""
    path = plant("work/node_modules/.bin/codex")
    assert locate_codex(path, folder=base / "work").path == path
    cli = locate_codex(env={"CODEX_PATH": str(path)}, folder=base / "work")
    assert (cli.path, cli.notes) == (path, ())


def test_a_removed_working_folder_does_not_end_the_search(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel's folder may be deleted while it runs."""
    gone = base / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert locate_codex(env={"PATH": ""}).path == BUNDLED


WRAPPER = f'[ "$1" = --version ] && echo codex-cli {UNTESTED} && exit\nexec {BUNDLED} "$@"'


@pytest.mark.integration
@pytest.mark.parametrize("transport", ["exec", "app-server"])
def test_a_turn_does_not_use_an_executable_of_its_own_working_folder(
    base: Path, plant: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    """One client, a turn elsewhere and a turn in the folder of the executable that the first has used."""
    plant("bin/codex", WRAPPER.replace(UNTESTED, OLDEST))
    monkeypatch.setenv("PATH", f"{base}/bin:{os.environ['PATH']}")
    runs = []

    async def turns(codex: Codex) -> None:
        async with codex:
            for folder in ("work", "bin", "work"):
                before = set(ran(base))
                thread = codex.start_thread(working_directory=base / folder, skip_git_repo_check=True)
                await thread.run("hi")
                runs.append(set(ran(base)) != before)

    with ScriptedModel(["Hi!"] * 3, codex_home=used_home(base / "home")) as model:
        anyio.run(turns, Codex(config=model.config, env=model.env(), transport=transport))  # type: ignore[arg-type]
    assert runs == [True, False, True]


@pytest.mark.integration
def test_an_untested_version_on_path_and_a_skipped_one_are_in_the_first_header(
    base: Path, plant: Callable[..., Path], tmp_path: Path
) -> None:
    """And in no later one."""
    plant("work/bin/codex")
    plant("bin/codex", WRAPPER)
    manager = KernelManager(kernel_name="python3", transport="ipc", ip=str(tmp_path / "kernel"))
    path = f"{base}/work/bin:{base}/bin:{os.environ['PATH']}"
    manager.start_kernel(cwd=str(base / "work"), env={**os.environ, "PATH": path})
    with ExitStack() as stack:
        kernel = Kernel(manager)
        stack.callback(kernel.close)
        model = stack.enter_context(ScriptedModel(["One.", "Two."], codex_home=used_home(tmp_path / "home")))
        kernel.execute("%load_ext codex_jupyter")
        kernel.use(model)
        first, second = kernel.execute("%codex hi"), kernel.execute("%codex hi")
    untested = f"codex {UNTESTED} (PATH: {base}/bin/codex) is outside the tested range"
    skipped = f"PATH: {base}/work/bin/codex: skipped, because it lies in {base}/work, where the agent may write. Set CODEX_PATH to use it."
    for note in (untested, skipped):
        assert note in first.text
        assert note in first.html
        assert note not in second.text
    assert "Two." in second.text
