"""Convert settings to the values of the CLI's `--config key=value` flags.

The CLI splits such a text at the first `=`, and the key at every `.`, without quotes. It reads the value as TOML. So a mapping becomes
dotted keys if its keys are plain. A mapping with another key is passed whole, as an inline table. tomli-w writes the scalars and the keys.
Arrays and tables are written here, because tomli-w spreads them over several lines.
"""

import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Final

import tomli_w

from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.redaction import mask_message

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_-]+( [A-Za-z0-9_-]+)*")
_OPENING: Final = ("[", "{", '"', "'")
_PLAIN_ROOT: Final = re.compile(rf"{_PLAIN_KEY.pattern}(\.{_PLAIN_KEY.pattern})*")


def render_config_flags(config: Mapping[str, Any]) -> list[str]:
    """Render settings as `key=value` texts.

    Args:
        config: Settings as in `config.toml`. Values are texts, numbers, booleans, dates, lists and nested mappings. A key of the outermost
            mapping may be dotted (`"features.plugins"`), as the CLI itself reads it.

    Returns:
        One text per setting, in order.

    Raises:
        ConfigError: If a key is empty or not a text, or a value has no TOML form; the message names its path.
    """
    if not isinstance(config, Mapping):
        raise ConfigError("Codex config overrides must be a mapping.")
    overrides: list[str] = []
    for key, value in _checked(config, ""):
        if not _PLAIN_ROOT.fullmatch(key):
            raise ConfigError(f"Codex config override key {key!r} cannot be passed to the CLI: use letters, digits, '_' and '-'.")
        overrides += _flattened(key, value)
    return overrides


def parse_override(override: str) -> tuple[tuple[str, ...], Any]:
    """Read a `key=value` text as the CLI does: the value is TOML, or else the bare text.

    Args:
        override: The text, as for `--config`.

    Returns:
        The parts of the key, and the value.

    Raises:
        ConfigError: If it is not `key=value`, or its value starts like a quoted text, a list or a table of TOML and is not one. The message
            does not repeat it, because it may hold a secret.
    """
    key, equals, text = override.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        raise ConfigError(
            "A config override is not of the form key=value, such as `model_reasoning_effort=high`. It is not repeated here, "
            "because it may hold a secret."
        )
    try:
        return path, tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        bare = text.strip()
    if bare[:1] in _OPENING:
        raise ConfigError(
            f"The value of the config override {mask_message(key.strip())} starts like a text, a list or a table of TOML, but is not one. "
            "Check its quotes and brackets; in a cell, put the whole option into single quotes."
        )
    return path, bare.strip("\"'")


def override_of(path: Sequence[str], value: Any) -> str:
    """Render one setting as `key=value`; tables become inline tables.

    Args:
        path: The parts of the key, each of letters, digits, `_` and `-`.
        value: The value, as for `render_config_flags`.

    Raises:
        ConfigError: As `render_config_flags` does.
    """
    key = ".".join(path)
    return f"{key}={_inline(key, value)}"


def is_plain(path: Sequence[str]) -> bool:
    """Return whether a dotted key can name this path: the CLI splits a key at every dot, and knows no quotes there."""
    return all(_PLAIN_KEY.fullmatch(part) for part in path)


def _flattened(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value and all(_PLAIN_KEY.fullmatch(key) for key, _ in _checked(value, path)):
        for key, inner in value.items():
            yield from _flattened(f"{path}.{key}", inner)
    else:
        yield f"{path}={_inline(path, value)}"


def _inline(path: str, value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = [f"{_toml({key: 0})[:-4]} = {_inline(f'{path}.{key}', inner)}" for key, inner in _checked(value, path)]
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_inline(f'{path}[{index}]', inner) for index, inner in enumerate(value))}]"
    if value is None:
        raise ConfigError(f"Codex config override at {path} cannot be null.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"Codex config override at {path} must be a finite number.")
    if not isinstance(value, str | bool | int | float | datetime | date | time):
        raise ConfigError(f"Unsupported Codex config override value at {path}: {type(value).__name__}.")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ConfigError(f"Codex config override at {path} must fit into 64 bits.")
    try:
        rendered = _toml({"v": value})[4:]
        rendered.encode()
    except ValueError as error:
        raise ConfigError(f"Unsupported Codex config override value at {path}: {error}.") from None
    return rendered


def _toml(table: dict[str, Any]) -> str:
    return tomli_w.dumps(table).removesuffix("\n")


def _checked(table: Mapping[Any, Any], path: str) -> list[tuple[str, Any]]:
    for key in table:
        if not isinstance(key, str) or not key:
            where = f" at {path}" if path else ""
            raise ConfigError(f"Codex config override keys{where} must be non-empty strings, not {key!r}.")
    return list(table.items())
