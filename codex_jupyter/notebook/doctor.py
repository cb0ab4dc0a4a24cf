"""What `%codex doctor` says: what is installed and found, which front end this is, and how to mend what is missing."""

import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from codex_jupyter.notebook.store import notebook_path
from codex_jupyter.sdk.cli.locate import MINIMUM_VERSION, TESTED_VERSIONS, search_codex
from codex_jupyter.sdk.cli.sandbox import sandbox_problem
from codex_jupyter.sdk.transports.exec import API_KEY_VARIABLE, child_environment

if TYPE_CHECKING:
    from codex_jupyter.notebook.magics import CodexMagics

LOGIN_TIMEOUT: Final = 10.0
"""Seconds for `codex login status`, which reads a file."""
_PACKAGES: Final = ("codex-jupyter", "ipython", "ipykernel", "jupyterlab", "notebook")


def report(magics: "CodexMagics") -> str:
    """Look at everything, and say it in lines; a line with a `!` names something to mend."""
    return "\n".join(_lines(magics))


def _lines(magics: "CodexMagics") -> Iterator[str]:
    yield f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield "  ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name)))
    yield ""
    options = magics.session.codex.options
    cli, tried = search_codex(options.codex_path_override)
    for place in tried:
        yield f"{'  ' if place.result != 'not executable' else '! '}{place}"
    if cli is None:
        yield "! No codex executable: `pip install openai-codex-cli-bin`, or name one with CODEX_PATH."
        return
    yield f"codex {cli.version}; supported from {'.'.join(map(str, MINIMUM_VERSION))}, tested with {' to '.join(TESTED_VERSIONS)}"
    env = child_environment(options, cli)
    problem = sandbox_problem(cli, env)
    yield (
        "sandbox: works"
        if problem is None
        else (
            f"! sandbox: does not work here ({problem}). Allow user namespaces; or, in a container made for it, use -s danger-full-access."
        )
    )
    if magics.session.demo is not None:
        yield "answers: a script (demo mode); `%codex demo off` ends it"
    elif env.get(API_KEY_VARIABLE):
        yield f"answers: the API key in {API_KEY_VARIABLE}"
    else:
        logged_in = _login(str(cli.path), env)
        yield f"answers: {logged_in}" if logged_in else f"! nobody is logged in: run `codex login` in a terminal, or set {API_KEY_VARIABLE}"
    yield ""
    yield f"front end: {_front_end(magics)}"
    path = notebook_path(magics.shell)
    yield f"notebook: {path}" if path else "notebook: not named by the front end, so threads are not remembered across kernels"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _login(codex: str, env: dict[str, str]) -> str | None:
    """What `codex login status` says, if somebody is logged in."""
    try:
        done = subprocess.run(  # noqa: S603 - the located executable
            [codex, "login", "status"], env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=LOGIN_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
    return said[-1] if done.returncode == 0 and said else None


def _front_end(magics: "CodexMagics") -> str:
    if not hasattr(magics.shell, "kernel"):
        return "a terminal: turns are written as text"
    if "google.colab" in str(type(magics.shell)):
        return "Colab: turns are shown live; prompts for input and threads across kernels are not offered"
    if "__vsc_ipynb_file__" in magics.shell.user_ns:
        return "VS Code: turns are shown live"
    if os.environ.get("JPY_SESSION_NAME"):
        return "a Jupyter server (JupyterLab or Notebook): everything works"
    return "a kernel without a named notebook (nbclient, papermill or a console): finished turns are kept, nothing can be asked"
