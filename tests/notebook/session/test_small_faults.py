"""Small faults that cost trust, as a user meets them: in a real kernel, with the real CLI."""

import sys
from collections.abc import Callable
from pathlib import Path

from codex_jupyter.testing import ScriptedModel, delay, mcp, shell
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Kernel
from tests.sdk.support import mcp_server

Scripted = Callable[[Script], ScriptedModel]
DRAW = "from PIL import Image\nImage.new('1', ({0}, {0})).save({1!r})"


def draw(side: int, name: str) -> str:
    return f'{sys.executable} -c "{DRAW.format(side, name)}"'


def test_images_in_hidden_folders_are_not_shown_as_written(kernel: Kernel, scripted: Scripted) -> None:
    """A notebook in the home folder has a CODEX_HOME, caches and trash beside it."""
    commands = [f"mkdir -p .codex/skills .cache sub && {draw(9, 'sub/seen.png')}", "cp sub/seen.png .codex/skills/icon.png"]
    scripted([[[shell(" && ".join([*commands, "cp sub/seen.png .cache/thumb.png"]))], "Done."]])
    done = kernel.execute("%config CodexMagics.transport = 'exec'\n%codex -s danger-full-access go")
    kernel.execute("%config CodexMagics.transport = 'auto'")
    assert done.error is None
    captions = [line for line in done.text.splitlines() if ".png · " in line]
    assert len(captions) == 1
    assert "sub/seen.png" in captions[0]


def test_many_pixels_that_the_agent_wrote_are_named_but_not_shown(kernel: Kernel, scripted: Scripted) -> None:
    """An image of one colour is a small file, however many pixels it has."""
    scripted([[[shell(" && ".join(draw(4800, f"{name}.png") for name in "abc"))], "Done."]])
    done = kernel.execute("%codex -s danger-full-access go")
    assert done.error is None
    captions = {name: line for line in done.text.splitlines() for name in ("a.png", "b.png", "c.png") if f"{name} · " in line}
    assert ["not shown" in captions[name] for name in ("a.png", "b.png", "c.png")] == [True, False, False]
    assert "the shown images of a turn have at most 50,000,000 pixels" in captions["a.png"]


def test_an_empty_folder_that_the_user_makes_during_a_turn_stays(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """The sandbox leaves such folders behind, and they are removed."""
    scripted([[[delay(1.0), shell("echo one")], "Done."]])
    kernel.execute("%config CodexMagics.transport = 'exec'")
    done = kernel.execute("import os, threading\nthreading.Timer(0.3, os.mkdir, ['.git']).start()\n%codex -s workspace-write go")
    kernel.execute("%config CodexMagics.transport = 'auto'")
    assert "Done." in done.text
    assert [path.name for path in (tmp_path / "work").iterdir()] == [".git"]


def test_a_list_in_a_setting_of_a_cell_keeps_its_quotes(kernel: Kernel, scripted: Scripted) -> None:
    """So the server of the setting starts, and its tool runs."""
    scripted([[mcp("desk", "read", {"what": "it"}), "Done."]])
    settings = f'-c mcp_servers.desk.command="{sys.executable}" -c mcp_servers.desk.args=["{mcp_server.__file__}"]'
    done = kernel.execute(f"%%codex {settings}\ngo")
    assert done.error is None
    assert "read it" in done.text
