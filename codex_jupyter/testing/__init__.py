"""Run the real codex CLI against a scripted model on loopback, without an account, a network or a model.

For demonstrations, and for tests of notebooks and programs that use Codex:

    from codex_jupyter.testing import ScriptedModel, shell

    with ScriptedModel([[[shell("ls")], "There are three files."], "You're welcome."]) as model:
        codex = Codex(config=model.config, env=model.env())

The model plays a script, records the requests that it receives, and states that it is a script. The module
`codex_jupyter.testing.script` describes scripts.
"""

from codex_jupyter.testing.parts import (
    Part,
    call,
    cut,
    delay,
    edit_file,
    fail,
    fail_stream,
    js,
    mcp,
    patch,
    plan,
    raw,
    say,
    search,
    shell,
    think,
    wait_for,
    write_file,
)
from codex_jupyter.testing.request import RecordedRequest, RequestImage
from codex_jupyter.testing.script import Reply, Script, ScriptedTurn
from codex_jupyter.testing.scripted_model import ScriptedModel

__all__ = [
    "Part",
    "RecordedRequest",
    "Reply",
    "RequestImage",
    "Script",
    "ScriptedModel",
    "ScriptedTurn",
    "call",
    "cut",
    "delay",
    "edit_file",
    "fail",
    "fail_stream",
    "js",
    "mcp",
    "patch",
    "plan",
    "raw",
    "say",
    "search",
    "shell",
    "think",
    "wait_for",
    "write_file",
]
