"""A scripted model provider on loopback, so that the real CLI runs without an account, a network or a model.

For demos, and for tests of notebooks and programs that use Codex:

    from codex_jupyter.demo import ScriptedModel, shell

    with ScriptedModel([[[shell("ls")], "There are three files."], "You're welcome."]) as model:
        codex = Codex(config=model.config, env=model.env())

It plays what the script says and records what it was asked; it never pretends to be a model.
`codex_jupyter.demo.script` describes how scripts are written, `showcase()` is the script of the quickstart.
"""

from codex_jupyter.demo.parts import (
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
from codex_jupyter.demo.request import RecordedRequest, RequestImage
from codex_jupyter.demo.script import Reply, Script, ScriptedTurn
from codex_jupyter.demo.server import ScriptedModel
from codex_jupyter.demo.showcase import MEASUREMENTS, showcase

__all__ = [
    "MEASUREMENTS",
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
    "showcase",
    "think",
    "wait_for",
    "write_file",
]
