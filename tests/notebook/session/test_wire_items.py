"""Items and diffs that the app-server reports, in cells of a real kernel."""

import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from codex_jupyter.testing import ScriptedModel, call, edit_file, mcp, say
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Kernel
from tests.sdk.support import mcp_server

Scripted = Callable[[Script], ScriptedModel]


def test_a_cell_shows_the_diffs_images_and_failed_servers_that_the_app_server_reports(
    kernel: Kernel, scripted: Scripted, tmp_path: Path
) -> None:
    """A file whose snapshot would be too large has a diff, too."""
    work = tmp_path / "work"
    Image.new("RGB", (4, 4), "red").save(work / "p.png")
    (work / "large.txt").write_text("x" * 300_000 + "\nold\n")
    answer = [say("It is done.", phase="final_answer"), say("By the way.", phase="commentary")]
    scripted(
        [[call("view_image", {"path": "p.png"}), edit_file("large.txt", "old", "new"), mcp("desk", "image", {"size": 1_200_000}), answer]]
    )
    servers = {"bad": {"command": "/nowhere/server"}, "desk": {"command": sys.executable, "args": [mcp_server.__file__]}}
    assert kernel.execute(f"%config CodexMagics.settings = {{'mcp_servers': {servers}}}").error is None
    cell = kernel.execute("%%codex -s workspace-write -o answer\ngo")
    assert cell.error is None
    assert "looked at image p.png" in cell.text
    assert "warning: MCP client for `bad` failed to start" in cell.text
    assert "viewed: p.png" in cell.text
    assert "-old" in cell.text
    assert "+new" in cell.text
    assert "characters of base64" in cell.text
    assert "A" * 500 not in cell.text
    assert cell.html.count("data:image/png;base64") == 1
    assert "It is done." in kernel.execute("answer").text
