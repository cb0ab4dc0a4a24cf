"""With all loggers at DEBUG, a cell shows the turn, not the messages of the libraries that render it or of the wire."""

import logging
import re
from pathlib import Path

import pytest

from codex_jupyter._library_logs import quiet
from codex_jupyter.testing import ScriptedModel
from tests.codex_home import used_home
from tests.notebook.conftest import Kernel

ANSWER = "\n\n".join(f"## Part {number}\n\n- **bold** `code`\n\n| a | b |\n|---|---|\n| 1 | 2 |" for number in range(60))


def test_the_debug_messages_of_libraries_do_not_fill_the_cell(kernel: Kernel, tmp_path: Path) -> None:
    kernel.execute("import logging\nlogging.basicConfig(level=logging.DEBUG, force=True)")
    kernel.execute("from PIL import Image\nim = Image.new('RGB', (9, 9))")
    with ScriptedModel([ANSWER, "Again."], codex_home=used_home(tmp_path / "home")) as model:
        kernel.use(model)
        done = kernel.execute("%%codex -i im\ngo")
        export = kernel.execute("%codex export md\n")
        kernel.execute("logging.getLogger('codex_jupyter.wire').setLevel(logging.DEBUG)")
        asked = kernel.execute("%codex go")
        kernel.execute("logging.getLogger('codex_jupyter.wire').setLevel(logging.NOTSET)")
    kernel.execute("logging.basicConfig(level=logging.WARNING, force=True)")
    assert done.error is None
    text = "".join(m["content"]["text"] for m in (*done.messages, *export.messages) if m["msg_type"] == "stream")
    assert re.findall(r"^DEBUG:(?!codex_jupyter|asyncio).*", text, re.MULTILINE) == []
    assert 1 <= text.count(":codex_jupyter") < 30  # the start of the server, but not the wire
    assert ":codex_jupyter.wire" not in text
    assert "DEBUG:codex_jupyter.wire" in asked.text


def test_a_level_that_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, other = logging.getLogger("test_chosen"), logging.getLogger("test_other")
    monkeypatch.setattr(chosen, "level", logging.DEBUG)
    quiet("test_chosen", "test_other")
    assert (chosen.level, other.level) == (logging.DEBUG, logging.INFO)
