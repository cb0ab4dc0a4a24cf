"""Diagnostics: everything that a turn needs, such as the executable, the login, the sandbox and CODEX_HOME."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codex_jupyter.sdk.executable.environment import API_KEY_VARIABLE, child_environment
from codex_jupyter.sdk.executable.locate import CodexCli, Tried, search_codex
from codex_jupyter.sdk.executable.login_status import LOGIN_REMEDY, login_status
from codex_jupyter.sdk.executable.sandbox_check import sandbox_problem
from codex_jupyter.sdk.executable.version import MINIMUM, tested_range
from codex_jupyter.sdk.models.options import CodexOptions, ThreadOptions
from codex_jupyter.sdk.rollouts import codex_home
from codex_jupyter.sdk.transports.login_check import needs_login


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """The result of `Codex.doctor`. `str()` returns text for people, where a line with a `!` names a problem. It contains no secret."""

    places: tuple[Tried, ...]
    """The places where the executable was searched, in order."""
    cli: CodexCli | None
    """The executable in use; None if there is none."""
    tested: bool
    """True if its version lies in the tested range. A newer version most likely works, too."""
    api_key: bool
    """True if `api_key` or CODEX_API_KEY is set. The key is not checked."""
    login: str | None
    """The output of `codex login status`. None if no one is logged in, or there is no executable."""
    sandbox_problem: str | None
    """The reason why commands cannot be sandboxed here. None if they can, or if this is unknown."""
    codex_home: Path
    """The folder of the CLI's state."""
    home_exists: bool
    """False is a problem only if CODEX_HOME is set: the CLI creates its default folder when it first runs."""
    home_writable: bool
    home_is_default: bool = False
    """True if CODEX_HOME is not set."""
    login_needed: bool = True
    """False if the options of the client name a provider that needs no login. The user's `config.toml` is not read."""

    @property
    def problems(self) -> tuple[str, ...]:
        """The problems, each with its remedy. Empty if there is none."""
        return tuple(self._problems())

    def __str__(self) -> str:
        lines = [f"looked at {place}" for place in self.places]
        if self.cli is not None:
            lines.append(
                f"codex {self.cli.version} at {self.cli.path} ({'' if self.tested else 'not '}in the tested range {tested_range()})"
            )
            if self.sandbox_problem is None:
                lines.append("sandbox: works")
        if self.api_key:
            lines.append("login: an API key is given")
        if self.login is not None:
            lines.append(f"login: {self.login}")
        if not self.home_exists and self.home_is_default:
            lines.append(f"CODEX_HOME: {self.codex_home} (Codex creates it)")
        elif self.home_exists and self.home_writable:
            lines.append(f"CODEX_HOME: {self.codex_home}")
        return "\n".join([*lines, *(f"! {problem}" for problem in self.problems)])

    def _problems(self) -> Iterator[str]:
        if self.cli is None:
            yield (
                f"There is no codex of version {MINIMUM} or newer. "
                "Run `pip install openai-codex-cli-bin`, or name an executable with codex_path_override or CODEX_PATH."
            )
        if self.sandbox_problem is not None:
            yield (
                f"Commands cannot be sandboxed here ({self.sandbox_problem}). Allow user namespaces; "
                "or, in a container made for it, use the sandbox mode danger-full-access."
            )
        if self.login is None and not self.api_key and self.login_needed:
            yield f"No one is logged in, unless your provider needs no login. {LOGIN_REMEDY}"
        if not self.home_exists and not self.home_is_default:
            yield f"CODEX_HOME {self.codex_home} does not exist. Create it: the CLI creates only its default folder."
        elif self.home_exists and not self.home_writable:
            yield f"CODEX_HOME {self.codex_home} is not writable, so threads cannot be stored. Make it writable."


def examine(options: CodexOptions) -> DoctorReport:
    """Examine everything that a turn needs, without sending anything to a model.

    Takes about a second, and half a minute at most. Never raises.
    """
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
        home_is_default=not env.get("CODEX_HOME"),
        home_writable=os.access(home, os.W_OK),
        login_needed=needs_login(options.config or {}, ThreadOptions(), env),
    )
