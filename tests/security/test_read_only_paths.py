"""Paths that a turn must not change, inside of the folder that it may write to: real commands and patches try."""

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from codex_jupyter.sdk import Thread, Turn
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.testing import shell, write_file
from tests.sdk.conftest import Real
from tests.sdk.support.fake import until

pytestmark = pytest.mark.anyio

BOTH: tuple[TransportName, ...] = ("exec", "app-server")
GIT = "git -c user.name=x -c user.email=x@y"
ATTACKS = {
    "write into a folder": "echo evil > .venv/lib/evil.py",
    "write into a file": "echo evil > nb.ipynb",
    "move a folder away": "mv .venv moved; mkdir -p .venv/lib; echo evil > .venv/lib/evil.py",
    "move a folder above it away": "mv envs moved; mkdir -p envs/dev/lib; echo evil > envs/dev/lib/evil.py",
    "move a file over it": "echo evil > new; mv -f new nb.ipynb; cp -f new nb.ipynb",
    "link to it": "ln nb.ipynb hard; echo evil > hard; ln -sfn /tmp .venv/lib",
    "remove it": "rm -r .venv/lib; rm nb.ipynb; rmdir .venv/lib",
    "change its mode": "chmod -R 777 .venv nb.ipynb",
    "exchange it by Python": "python3 -c \"import os; os.rename('envs/dev', 'envs/old')\"",
    "make what does not exist": "echo evil > later.py; mkdir later.py; mkdir -p later; echo evil > later/x",
    "make its folders": "mkdir -p share/jupyter/kernels; echo evil > share/jupyter/kernels/x; mkdir -p share/lib; echo evil > share/lib/x",
}
WORK = {
    "made.txt": "echo made > made.txt",
    "changed.txt": "echo more >> changed.txt; sed -i s/old/new/ changed.txt",
    "envs/other/x": "mkdir -p envs/other && echo x > envs/other/x && mv envs/other envs/moved && mv envs/moved envs/other",
    "nested/.git/HEAD": f"mkdir nested && cd nested && git init -q && echo a > a && git add a && {GIT} commit -qm a",
    "envs/.git/HEAD": f"cd envs && git init -q && {GIT} commit -qm a --allow-empty",
    "temporary": "echo x > /tmp/codex-$$ && rm /tmp/codex-$$ && echo x > $TMPDIR/x && echo x > temporary",
}


@pytest.fixture(params=BOTH)
def project(request: pytest.FixtureRequest, real: Real) -> Real:
    """A working folder with two environments, a notebook and a repository."""
    real.transport = request.param
    for folder in (".venv/lib", "envs/dev/lib"):
        (real.workspace / folder).mkdir(parents=True)
        (real.workspace / folder / "good.py").write_text("good\n")
    (real.workspace / "nb.ipynb").write_text("good\n")
    (real.workspace / "changed.txt").write_text("old\n")
    subprocess.run(["git", "init", "-q", str(real.workspace)], check=True)
    return real


def kept(project: Real) -> list[Path]:
    return [project.workspace / name for name in (".venv", "envs/dev", "nb.ipynb", "later", "later.py", "share/jupyter", "share/lib")]


def thread(project: Real, *steps: Any, **options: Any) -> Thread:
    given = {"sandbox_mode": "workspace-write", "read_only_paths": kept(project), **options}
    return project.thread([[*([step] for step in steps), "Done."]], **given)


def state(project: Real) -> dict[str, tuple[str, int]]:
    """The texts and modes of all that is protected."""
    files = [file for path in kept(project) for file in ([path] if path.is_file() else path.rglob("*"))]
    return {
        str(file): (file.read_text() if file.is_file() else "", file.lstat().st_mode)
        for file in [*files, *kept(project)]
        if os.path.lexists(file)
    }


async def test_what_is_read_only_cannot_be_written_moved_replaced_or_made(project: Real) -> None:
    before = state(project)
    steps = [*map(shell, ATTACKS.values()), write_file(".venv/lib/patched.py", "evil\n"), write_file("later.py", "evil\n")]
    turn = await thread(project, *steps).run("go", timeout=120)
    assert state(project) == before
    assert turn.rights is not None
    assert turn.rights.protected == tuple(kept(project))
    assert turn.rights.unprotected == ()


async def test_ordinary_work_in_the_folder_goes_through(project: Real) -> None:
    """Also in a folder that must not be renamed, and a repository in it."""
    turn = await thread(project, *map(shell, WORK.values()), write_file("patched.txt", "new\n"), write_file("envs/p.txt", "new\n")).run(
        "go"
    )
    missing = [name for name in (*WORK, "patched.txt", "envs/p.txt") if not (project.workspace / name).exists()]
    assert missing == [], outputs(turn)
    assert (project.workspace / "changed.txt").read_text() == "new\nmore\n"


def outputs(turn: Turn) -> list[str]:
    return [getattr(item, "aggregated_output", "") for item in turn.items]


async def test_nothing_is_left_in_the_folder_after_the_turn(project: Real) -> None:
    """The sandbox makes places to mount over; they are gone when it is."""
    before = sorted(project.workspace.rglob("*"))
    await thread(project, shell("ls -a")).run("go")
    assert sorted(project.workspace.rglob("*")) == before


async def test_the_repository_itself_is_read_only_as_ever(project: Real) -> None:
    turn = await thread(project, shell("echo x > .git/x; git add changed.txt; sleep 0.2")).run("go")
    assert not (project.workspace / ".git/x").exists()
    assert "Read-only file system" in str(outputs(turn))


async def test_the_network_is_that_of_the_options(project: Real) -> None:
    probe = shell("python3 -c 'import socket; socket.socket()' && echo open > net-$ON")
    for on in (False, True):
        step = shell(str(probe.arguments["cmd"]).replace("$ON", str(on)))
        turn = await thread(project, step, network_access_enabled=on).run("go")
        assert (project.workspace / f"net-{on}").exists() == on
        assert turn.rights is not None
        assert turn.rights.network == on


async def test_an_additional_folder_is_writable_though_it_is_named_read_only(project: Real) -> None:
    """A user who names it as writable has decided so. Protected paths in it stay read-only."""
    envs = project.workspace / "envs"
    step = shell("echo x > envs/x; echo evil > envs/dev/evil")
    await thread(project, step, additional_directories=[envs], read_only_paths=[envs, envs / "dev"]).run("go")
    assert (envs / "x").exists()
    assert not (envs / "dev/evil").exists()


async def test_a_working_folder_that_is_reached_by_a_link_is_protected_as_well(project: Real) -> None:
    # Temporary folders are writable, and so the agent could replace a link there.
    link = Path(project.stack.enter_context(TemporaryDirectory(dir="/var/tmp"))) / "link"
    link.symlink_to(project.workspace)
    for number, paths in enumerate(([project.workspace / ".venv"], [link / ".venv"])):
        step = shell(f"echo evil > .venv/evil; echo x > fine-{number}")
        turn = await thread(project, step, working_directory=link, read_only_paths=paths).run("go")
        assert (project.workspace / f"fine-{number}").exists()
        assert not (project.workspace / ".venv/evil").exists()
        assert turn.rights is not None
        assert turn.rights.unprotected == ()


async def test_a_link_that_can_be_replaced_is_reported_and_what_it_leads_to_is_protected(project: Real) -> None:
    link = project.workspace / "current"
    link.symlink_to(".venv")
    turn = await thread(project, shell("echo evil > current/lib/evil.py"), read_only_paths=[link]).run("go")
    assert not (project.workspace / ".venv/lib/evil.py").exists()
    assert turn.rights is not None
    assert turn.rights.unprotected == (link,)


@pytest.mark.parametrize("mode", ["read-only", "danger-full-access"])
async def test_in_other_sandboxes_the_report_says_what_is_not_protected(project: Real, mode: str) -> None:
    turn = await thread(project, shell("echo x > .venv/x"), sandbox_mode=mode).run("go")
    assert turn.rights is not None
    assert turn.rights.unprotected == (tuple(kept(project)) if mode == "danger-full-access" else ())
    assert (project.workspace / ".venv/x").exists() == (mode == "danger-full-access")


async def test_a_turn_that_is_stopped_leaves_nothing_behind(project: Real) -> None:
    """The stopped sandbox would leave the places that it has mounted over."""
    before = {path for path in project.workspace.rglob("*") if ".git" not in path.parts}
    conversation = thread(project, shell("touch started; sleep 60"))
    async with conversation.run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        await until((project.workspace / "started").exists)
        await streamed.interrupt()
    (project.workspace / "started").unlink()
    assert {path for path in project.workspace.rglob("*") if ".git" not in path.parts} == before
