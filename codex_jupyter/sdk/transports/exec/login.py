"""The check of the login before a turn of `codex exec`, which asks the CLI as seldom as possible."""

import os
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from codex_jupyter.sdk.executable.login_status import LOGIN_TIMEOUT, login_status
from codex_jupyter.sdk.executable.slow_steps import slow_step
from codex_jupyter.sdk.models.options import ThreadOptions
from codex_jupyter.sdk.transports.exec.environment import TurnEnvironment
from codex_jupyter.sdk.transports.login_check import needs_login, not_logged_in

LOGIN_VALID: Final = 30.0
"""Seconds in which the CLI is not asked again if there is a login. A turn after a logout fails with `AuthenticationError` nevertheless."""
_asking: Final = threading.Lock()


class ExecLogin:
    """The logins that the CLI has reported to a client."""

    def __init__(self) -> None:
        self._valid_until: dict[tuple[str, ...], float] = {}
        """The times until which a login is not asked for again, by executable, home and settings."""

    def forget(self) -> None:
        """Ask again before the next turn."""
        self._valid_until.clear()

    def require(self, environment: TurnEnvironment, config: Mapping[str, Any], options: ThreadOptions) -> None:
        """Check the login before a turn, which would fail without one. Announces slow steps.

        Args:
            environment: The environment of the turn.
            config: The configuration, with all overrides.
            options: The options of the thread.

        Raises:
            AuthenticationError: If the provider needs a login and there is none.
        """
        home, env, flags = environment.home, environment.variables, environment.placed.flags
        if not (environment.user.is_known and environment.system.is_known):
            return  # the provider may be one without a login
        if not needs_login(config, options, env) or os.path.exists(os.path.join(home, "auth.json")):
            return
        key = (str(environment.cli.path), os.path.realpath(home), *flags)
        if self._valid_until.get(key, 0.0) > time.monotonic():
            return
        slow_step()
        # Turns that start at once ask once. With a limit, because a forked child may have inherited the lock in its locked state.
        locked = _asking.acquire(timeout=LOGIN_TIMEOUT)
        try:
            if self._valid_until.get(key, 0.0) > time.monotonic():
                return
            if login_status(environment.cli, env, flags).logged_in is False:
                raise not_logged_in()
            self._valid_until[key] = time.monotonic() + LOGIN_VALID
        finally:
            if locked:
                _asking.release()
