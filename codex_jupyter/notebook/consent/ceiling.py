"""The administrator's ceiling: the most rights that anyone on this machine can give to the agent in a notebook.

The file is read for every prompt. A setting or option of the user cannot raise it. If the file cannot be used, no prompt runs.
"""

import dataclasses
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import platformdirs
from IPython.core.error import UsageError

from codex_jupyter._system_errors import explained
from codex_jupyter.notebook.consent.presets import AXES, Rights

# Not from an environment variable, such as XDG_CONFIG_DIRS: the user could change it.
CEILING_FILE: Final = (
    Path("/etc/codex-jupyter/config.toml")
    if os.name == "posix"
    else platformdirs.site_config_path("codex-jupyter", appauthor=False) / "config.toml"
)
"""The file, which only an administrator can write."""
TABLE: Final = "ceiling"
"""The table of the file with the most value of each axis."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most value of each axis.

    Attributes:
        most: The values. An empty one sets no limit.
        file: The file that sets them.
    """

    most: Rights = field(default_factory=Rights)
    file: Path = CEILING_FILE

    @property
    def kernel(self) -> str:
        """The most rights in the kernel."""
        return self.most.kernel or AXES["kernel"][-1]

    def allows(self, axis: str, value: str) -> bool:
        """Return True if a value of an axis is not above the ceiling."""
        most: str = getattr(self.most, axis)
        values = AXES[axis]
        return not most or values.index(value) <= values.index(most)

    def choices(self, axis: str) -> tuple[str, ...]:
        """Return the values of an axis that are not above the ceiling."""
        return tuple(value for value in AXES[axis] if self.allows(axis, value))

    def capped(self, rights: Rights) -> Rights:
        """Return rights that are not above the ceiling.

        Rights that are not set could be more than the ceiling: the user's configuration of Codex decides about the sandbox. So below a
        ceiling, a sandbox that is not set is read-only. Rights in the kernel that are not set are asked for; the ceiling caps the answer.

        Raises:
            UsageError: If rights that are set are above it.
        """
        for axis in AXES:
            value: str = getattr(rights, axis)
            if value and not self.allows(axis, value):
                raise UsageError(
                    f"{axis} {value} is above the administrator's ceiling, {axis} {getattr(self.most, axis)} ({self.file}). "
                    f"Choose {' or '.join(reversed(self.choices(axis)))}."
                )
        if not rights.sandbox and not self.allows("sandbox", AXES["sandbox"][-1]):
            rights = dataclasses.replace(rights, sandbox=AXES["sandbox"][0])
        if not rights.kernel and self.most.kernel == "off":
            rights = dataclasses.replace(rights, kernel="off")
        return rights


def load_ceiling(file: Path | None = None) -> Ceiling:
    """Return the ceiling of this machine; without limits if there is no file.

    Args:
        file: The file. None is `CEILING_FILE`.

    Raises:
        UsageError: If the file cannot be used.
    """
    file = CEILING_FILE if file is None else file
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return Ceiling(file=file)
    except OSError as error:
        raise UsageError(f"The administrator's ceiling {file} cannot be read, so no prompt runs: {explained(error)}.") from None
    except ValueError as error:
        raise _unusable(file, str(error)) from None
    return Ceiling(_most(data, file), file)


def _most(data: dict[str, Any], file: Path) -> Rights:
    """Return the values of a file. Anything unknown in it is an error, because it could be a misspelled limit."""
    table = data.pop(TABLE, {})
    if data or not isinstance(table, dict):
        raise _unusable(file, f"it has {', '.join(data) or TABLE}; only the table [{TABLE}] is known")
    for axis, value in table.items():
        if axis not in AXES:
            raise _unusable(file, f"[{TABLE}] has {axis}; known are {', '.join(AXES)}")
        if value not in AXES[axis]:
            raise _unusable(file, f"{axis} = {value!r}; known are {', '.join(AXES[axis])}")
    return Rights(**table)


def _unusable(file: Path, reason: str) -> UsageError:
    return UsageError(f"The administrator's ceiling {file} cannot be used, so no prompt runs: {reason}. Your administrator can correct it.")
