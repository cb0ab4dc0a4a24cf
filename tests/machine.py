"""Parts of the machine that the codex CLI reads at each of its thousands of starts in a run, made small once for the run.

Reading them takes a third of the time of a start. What the CLI learns stays true.
"""

import json
import os
import shlex
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Final

REPLACED: Final = ("HOME", "PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables that differ in the tests."""
_FOLDER: Final = "CODEX_JUPYTER_TESTS"
"""Environment variable with the folder of the run. Workers inherit it."""
_ORIGINALS: Final = "originals.json"
"""File in it with the values of the variables before the run."""


def prepare(folder: Path) -> None:
    """Set the variables of this process, with their files in a folder.

    Args:
        folder: An existing folder, which outlasts the run.
    """
    os.environ[_FOLDER] = str(folder)
    (folder / _ORIGINALS).write_text(json.dumps({name: os.environ.get(name) for name in REPLACED}))
    (home := folder / "home").mkdir()
    # A command of codex is a login shell: a profile can take a second, or wait for a lock of a stopped shell.
    os.environ["HOME"] = str(home)
    (programs := folder / "programs").mkdir()
    _answer_at_once("lsb_release", "-a", programs)
    os.environ["PATH"] = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    # No test connects to a server with TLS. The CLI reads all authorities of the machine for each of its HTTP clients.
    authorities = ssl.create_default_context().get_ca_certs(binary_form=True)
    if authorities:
        (single := folder / "authority.pem").write_text(ssl.DER_cert_to_PEM_cert(authorities[0]))
        (none := folder / "authorities").mkdir()
        os.environ |= {"SSL_CERT_FILE": str(single), "SSL_CERT_DIR": str(none)}


def folder_of_the_run() -> Path:
    """Return a folder for files that all tests of a run use."""
    return Path(os.environ[_FOLDER])


def installer_environment() -> dict[str, str]:
    """Return the environment of the user, for programs that load from the network into the user's caches."""
    originals = json.loads((folder_of_the_run() / _ORIGINALS).read_text())
    kept = {name: value for name, value in os.environ.items() if name not in originals}
    return kept | {name: value for name, value in originals.items() if value is not None}


def _answer_at_once(program: str, argument: str, folder: Path) -> None:
    """Record the answer of a program, and put one into a folder that repeats it.

    The CLI asks `lsb_release` twice at each start, to name the system in its requests. Debian's is a shell script that starts ten programs.
    """
    if (path := shutil.which(program)) is None:
        return
    done = subprocess.run([path, argument], capture_output=True, text=True, timeout=30, check=False)
    script = folder / program
    script.write_text(f"#!/bin/sh\nprintf %s {shlex.quote(done.stdout)}\nexit {done.returncode}\n")
    script.chmod(0o755)
