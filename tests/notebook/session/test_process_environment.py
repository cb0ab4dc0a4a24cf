"""A kernel whose folder was deleted, or that the system refuses files: one clear line, and nothing is left behind."""

import errno
import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from codex_jupyter._system_errors import explained
from codex_jupyter._trusted_imports import is_trusted
from codex_jupyter.testing import ScriptedModel, shell
from tests.codex_home import used_home
from tests.notebook.conftest import Kernel

DELETED = "The current folder was deleted or moved. Change to another folder"
NO_FILES = """\
import contextlib, os, resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
before = len(os.listdir("/dev/fd"))
lowest = os.open(os.devnull, os.O_RDONLY)
os.close(lowest)
resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
held, refused = [], 0
try:
    while refused < 10:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        try:
            get_ipython().run_cell_magic("codex", {line!r}, "go")
            get_ipython().run_line_magic("codex", "wait")  # another thread has just closed a file, so the turn runs
        except Exception:
            refused += 1
            if refused == 10:
                raise
finally:
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for number in held:
        os.close(number)
    files_left = len(os.listdir("/dev/fd")) - before
"""


def test_in_a_deleted_folder_a_cell_says_so_and_a_named_folder_suffices(new_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    kernel = new_kernel(load=False)
    (tmp_path / "work").mkdir()
    (tmp_path / "agent").mkdir()
    (tmp_path / "temporary").mkdir()
    kernel.execute(f"import os\nos.chdir({str(tmp_path / 'work')!r})\nos.rmdir(os.getcwd())")
    assert kernel.execute("%load_ext codex_jupyter").messages == []
    with ScriptedModel([[shell("pwd"), "Done."], *["Done."] * 3], codex_home=used_home(tmp_path / "home")) as model:
        kernel.use(model, TMPDIR=str(tmp_path / "temporary"))
        for cell in ("%%codex\ngo", "%%codex --bg\ngo", "%%codex -q --dry-run\ngo", "%codex go on", "%%codex -C relative\ngo"):
            error = kernel.execute(cell).error or ""
            assert DELETED in error, cell
            assert len(error.splitlines()) == 1
        assert model.requests == []
        done = kernel.execute(f"%%codex -C {tmp_path / 'agent'}\ngo")
        assert done.error is None
        assert f"    {tmp_path / 'agent'}\n" in done.text
        for transport in ("exec", "app-server"):
            code = (
                f"(await codex_jupyter.Codex(transport={transport!r}, config=client.options.config, env=client.options.env).start_thread("
            )
            done = kernel.execute(f"{code}working_directory={str(tmp_path)!r}, skip_git_repo_check=True).run('go')).final_response")
            assert (done.error, done.value) == (None, "'Done.'")
    # IPython imports this when it shows a traceback, and users import libraries.
    assert kernel.execute("import colorsys").error is None
    assert DELETED in kernel.execute("%codex status").text
    assert kernel.execute("%codex doctor").error is None


@pytest.mark.parametrize("line", ["", "-q", "--bg"])
def test_without_free_file_handles_a_cell_is_one_line(kernel: Kernel, tmp_path: Path, line: str) -> None:
    with ScriptedModel(["First.", *["Second."] * 50], codex_home=used_home(tmp_path / "home")) as model:
        kernel.use(model)
        kernel.execute("%%codex\ngo")
        done = kernel.execute(NO_FILES.format(line=line))
        # IPython shows a UsageError as text, beside errors of its own history, which has no files either.
        error = done.error or "\n".join(line for line in done.text.splitlines() if "UsageError" in line)
        assert "this process has too many open files. Close some, or raise the limit" in error
        assert len(error.splitlines()) == 1
        # The libraries of the kernel open and close some themselves.
        assert int(kernel.execute("files_left").value or "") < 5
        assert "Second." in kernel.execute("%%codex\ngo").text


@pytest.fixture
def deleted_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "deleted"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    yield
    monkeypatch.undo()


@pytest.mark.usefixtures("deleted_folder")
def test_in_a_deleted_folder_imports_work_and_relative_entries_are_not_trusted() -> None:
    assert not any(is_trusted(entry) for entry in ("", ".", "relative"))
    importlib.reload(importlib.import_module("colorsys"))


@pytest.mark.usefixtures("deleted_folder")
def test_the_deleted_folder_is_named_only_if_the_path_depends_on_it(tmp_path: Path) -> None:
    assert explained(FileNotFoundError(errno.ENOENT, "No such file", "relative")).startswith(DELETED)
    assert explained(FileNotFoundError(errno.ENOENT, "No such file")).startswith(DELETED)
    assert DELETED not in explained(FileNotFoundError(errno.ENOENT, "No such file", str(tmp_path / "absolute")))


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        ("EMFILE", "Close some"),
        ("ENFILE", "Close some"),
        ("ENOSPC", "Free some space"),
        ("EDQUOT", "Free some space"),
        ("EACCES", "permissions"),
        ("EROFS", "use another folder"),
        ("ENOENT", "Check the path"),
        ("ENAMETOOLONG", "Check the path"),
        ("ENOMEM", "free some memory"),
        ("EIO", "Check the disk"),
        ("ESTALE", "network drive"),
    ],
)
@pytest.mark.parametrize(
    "place", ["prompts.PromptComposer.compose", "turn_setup.find_cli", "running_turn.Workspace", "registry.notebook_path"]
)
def test_an_error_of_the_system_in_a_cell_is_one_line_with_a_remedy(
    ipython: InteractiveShell, monkeypatch: pytest.MonkeyPatch, number: str, remedy: str, place: str
) -> None:
    refusal = OSError(getattr(errno, number), os.strerror(getattr(errno, number)), "/some/file")

    def refuse(*_: object, **__: object) -> None:
        raise refusal

    monkeypatch.setattr(f"codex_jupyter.notebook.session.{place}", refuse)
    result = ipython.run_cell("%%codex\ngo")
    error = result.error_in_exec
    assert isinstance(error, OSError)
    (line,) = error._render_traceback_()  # type: ignore[attr-defined]
    assert remedy in line
    assert line.endswith(".")
