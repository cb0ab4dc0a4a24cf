"""A process of codex is reached by no interrupt of the terminal, and does not reach the terminal itself."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no terminals that are files"),
]
PROBE = """
import json, os
try:
    os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    terminal = True
except OSError:
    terminal = False
print(json.dumps({"own group": os.getpgid(0) == os.getpid(), "terminal": terminal}))
"""
PROGRAM = f"""
import fcntl, os, subprocess, sys, termios
from codex_jupyter.sdk.processes.spawn import spawn
if sys.argv[1] == "terminal":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
popen, _ = spawn([sys.executable, "-c", {PROBE!r}], os.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
sys.stdout.buffer.write(popen.communicate()[0])
"""


@pytest.mark.parametrize("where", ["terminal", "kernel"])
def test_a_process_is_apart_from_the_terminal(where: str) -> None:
    """Of a program with a terminal, and of one without, as a kernel of a notebook is."""
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, where], stdin=theirs, capture_output=True, start_new_session=True, check=True, timeout=60
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert json.loads(done.stdout) == {"own group": True, "terminal": False}
