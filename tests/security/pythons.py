"""Python processes that a test starts, to let them die or fork."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_PRELUDE = """
import asyncio, concurrent.futures, io, json, multiprocessing, os, sys, threading, time, anyio
from PIL import Image
from codex_jupyter.sdk import *
from codex_jupyter.sdk.processes.guardian import guardian
from codex_jupyter.sdk.processes.staging import staging_folder
settings = json.loads(sys.stdin.readline())
"""


@dataclass(frozen=True)
class Python:
    """A running Python process."""

    process: "subprocess.Popen[str]"

    def line(self) -> str:
        """Wait for a line of its output."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().rstrip("\n")
        assert line, self.finish()
        return line

    def send(self, text: str) -> None:
        """Send it a line."""
        print(text, file=self.process.stdin, flush=True)

    def finish(self) -> tuple[str, str]:
        """Close its input and wait for its end. Return what else it wrote to its output and error output."""
        return self.process.communicate("", timeout=60)


@contextmanager
def running(script: str, settings: Mapping[str, Any], **env: str) -> Iterator[Python]:
    """Run a script, which finds its `settings`, and end it at the end of the block."""
    code = _PRELUDE + textwrap.dedent(script)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-W", "error::ResourceWarning", "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=os.environ | env
    ) as process:
        try:
            print(json.dumps(settings), file=process.stdin, flush=True)
            yield Python(process)
        finally:
            process.kill()
            for file in (process.stdin, process.stdout, process.stderr):
                if file is not None and not file.closed:
                    try:
                        file.close()
                    except BrokenPipeError:
                        continue
