"""What stands in the way of a turn here: the executable, the login, the sandbox, the folder of its state."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codex_jupyter.sdk.executable.environment import API_KEY_VARIABLE, child_environment
from codex_jupyter.sdk.executable.locate import MINIMUM_VERSION, TESTED_VERSIONS, CodexCli, Tried, search_codex
from codex_jupyter.sdk.executable.login_status import LOGIN_REMEDY, login_status
from codex_jupyter.sdk.executable.sandbox_check import sandbox_problem
from codex_jupyter.sdk.models.options import CodexOptions
from codex_jupyter.sdk.rollouts import codex_home


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """What was found. `str()` of it is text for people, where a line with a `!` names something to mend. It holds no secret."""

    places: tuple[Tried, ...]
    """Where the executable was looked for, in order."""
    cli: CodexCli | None
    """The executable in use; None if there is none."""
    tested: bool
    """Whether its version is one of the range that the tests ran with; a newer one most likely works, too."""
    api_key: bool
    """Whether an API key is given, by `api_key` or CODEX_API_KEY; whether it is valid is not known."""
    login: str | None
    """What `codex login status` says; None if nobody is logged in, or there is no executable."""
    sandbox_problem: str | None
    """Why commands cannot be sandboxed here; None if they can, or nothing is known about it."""
    codex_home: Path
    """The folder of the CLI's state."""
    home_exists: bool
    home_writable: bool

    @property
    def problems(self) -> tuple[str, ...]:
        """What to mend, each with its remedy; empty if all is well."""
        return tuple(self._problems())

    def __str__(self) -> str:
        tested = " to ".join(TESTED_VERSIONS)
        lines = [f"looked at {place}" for place in self.places]
        if self.cli is not None:
            lines.append(f"codex {self.cli.version} at {self.cli.path} ({'' if self.tested else 'not '}in the tested range {tested})")
            lines += ["sandbox: works"] * (self.sandbox_problem is None)
        lines += ["login: an API key is given"] * self.api_key + [f"login: {self.login}"] * (self.login is not None)
        lines += [f"CODEX_HOME: {self.codex_home}"] * (self.home_exists and self.home_writable)
        return "\n".join([*lines, *(f"! {problem}" for problem in self.problems)])

    def _problems(self) -> Iterator[str]:
        if self.cli is None:
            oldest = ".".join(map(str, MINIMUM_VERSION))
            yield f"No codex from {oldest} on: run `pip install openai-codex-cli-bin`, or name one with codex_path_override or CODEX_PATH."
        if self.sandbox_problem is not None:
            yield (
                f"Commands cannot be sandboxed here ({self.sandbox_problem}): allow user namespaces; "
                "or, in a container made for it, use the sandbox mode danger-full-access."
            )
        if self.login is None and not self.api_key:
            yield f"Nobody is logged in, unless your provider needs no login. {LOGIN_REMEDY}"
        if not self.home_exists:
            yield f"CODEX_HOME {self.codex_home} is not there: make it; the CLI does so for its default folder only."
        elif not self.home_writable:
            yield f"CODEX_HOME {self.codex_home} cannot be written to: threads cannot be stored."


def examine(options: CodexOptions) -> DoctorReport:
    """Look at everything that a turn needs, without asking a model. Takes about a second, at most half a minute; raises nothing."""
    env = dict(os.environ if options.env is None else options.env)
    try:
        cli, tried = search_codex(options.codex_path_override)
    except (OSError, RuntimeError, ValueError) as error:
        cli, tried = None, [Tried("search", "", str(error))]
    login = problem = None
    if cli is not None:
        env = child_environment(options, cli)
        status = login_status(cli, env)
        login = status.text if status.logged_in else None
        problem = sandbox_problem(cli, env)
    home = codex_home(env)
    return DoctorReport(
        places=tuple(tried),
        cli=cli,
        tested=cli is not None and cli.tested,
        api_key=options.api_key is not None or bool(env.get(API_KEY_VARIABLE)),
        login=login,
        sandbox_problem=problem,
        codex_home=home,
        home_exists=os.path.isdir(home),
        home_writable=os.access(home, os.W_OK),
    )
