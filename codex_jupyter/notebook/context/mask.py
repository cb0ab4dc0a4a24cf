"""Secrets -> `***`, by the name that they go by and by what they look like.

Too much is masked rather than too little: a word that was no secret costs the agent a question, a key that was one costs its owner more.
What no rule can see is a secret without a telling name or form, such as a password in the columns of a printed table.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Final

MASK: Final = "***"
MARGIN: Final = 4_096
"""Characters to look at behind the place where a text will be cut, so that no secret is cut before it is seen."""
MIN_LITERAL: Final = 6
"""Shortest value of a secret that is looked for elsewhere, in characters; shorter ones are everyday words."""

_TELLING: Final = r"passw|passphrase|passcode|secret|credential|api_?-?key|token|bearer|authoriz"
"""Parts of names that tell a secret wherever they stand."""
_NAME: Final = rf"{_TELLING}|(?<![a-z])(?:keys?|auth|pwd|pass|pin|cookies?|jwt|dsn|sas)(?![a-z])"
_GRAVE_NAME: Final = r"passw|passphrase|passcode|secret|credential|(?<![a-z])(?:pwd|pin)(?![a-z])"
"""Names whose value is a secret even if it is a number; `max_tokens` and `n_keys` are none."""
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_IN_TEXT: Final = rf"(?:{_TELLING}|(?:access|private|auth|account|signing|encryption)_?-?key|[a-z]_key\b|\bpwd\b|_pwd\b|_pass\b|\bauth\b)"
_ASSIGNED: Final = (
    rf"(?i)({_IN_TEXT}[\w-]{{0,40}}[\"']?\]?(?:\s{{0,8}}:\s{{0,8}}[\w\[\], |.]{{1,40}}?)?"
    r"\s{0,8}[:=]{1,2}\s{0,8}[rbuf]{0,2})"
    r"(\"\"\"|'''|\"|')(?:\\[\s\S]|(?!\2)[\s\S]){0,8192}\2?"
)
"""`name = "value"`, `"name": "value"`, `name: str = "value"`, `env["NAME"] = "value"`; also if the end is cut off."""
_EXPORTED: Final = (
    r"\b([A-Z0-9_]*(?:PASSW|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|API_?KEY|_KEY|_PWD|_PASS|_AUTH)[A-Z0-9_]*=)"
    r"(?!\d{1,6}\b)[^\s\"'*][^\s\"']*"
)
"""`NAME=value`, as in shells."""
_FORMS: Final[tuple[tuple[str, str], ...]] = (
    (r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[\s\S]*?(?:-----END [A-Z0-9 ]*-----|\Z)", MASK),
    # Keys that say who gave them out.
    (r"\b(?:sk|rk|pk)[-_](?=[A-Za-z_-]{0,60}\d)[A-Za-z0-9_-]{12,}", MASK),
    (r"\b(?:gh[opusr]_|github_pat_|glpat-|hf_|npm_|pypi-|dop_v1_|shpat_|SG\.|ya29\.|AIza|xox[a-z]-)[A-Za-z0-9_.-]{12,}", MASK),
    (r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{12,}", MASK),
    (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?", MASK),
    (r"(hooks\.slack\.com/services/|discord(?:app)?\.com/api/webhooks/)[\w/-]+", rf"\g<1>{MASK}"),
    (r"(?i)\b(bearer|basic)(\s{1,8})(?=\S{0,200}[\d=])[\w.~+/=-]{8,}", rf"\g<1>\g<2>{MASK}"),
    # URLs with a password, or with one in their query.
    (r"(\b[a-zA-Z][a-zA-Z0-9+.-]{0,20}://)[^\s/@:'\"]{0,200}:[^\s/@'\"]{1,200}@", rf"\g<1>{MASK}@"),
    (rf"(?i)([?&][\w.-]{{0,40}}(?:{_TELLING}|key|sig|signature|auth)[\w.-]{{0,20}}=)[^&\s\"'#]+", rf"\g<1>{MASK}"),
    # What stands behind a telling name.
    (_ASSIGNED, rf"\g<1>\g<2>{MASK}\g<2>"),
    (_EXPORTED, rf"\g<1>{MASK}"),
    (rf"(?i)((?<![\w-])--?[\w-]{{0,40}}?(?:{_TELLING})[\w-]{{0,40}}[ =])(?!\d{{1,6}}\b)[^\s\"'-][^\s\"']*", rf"\g<1>{MASK}"),
)
_SAID: Final = rf"(?i)({_IN_TEXT}[\w-]{{0,40}}[\"']?\]?\s{{0,8}}[:=]\s{{0,8}})(?!\d{{1,6}}\b)[^\s\"',;)}}\]*][^\s\"',;)}}\]]*"
"""`name: value` in prose and logs; not for source, where it would hide calls and annotations."""
_RUN: Final = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def is_secret_name(name: str, *, grave: bool = False) -> bool:
    """Whether a variable, a key or a column of this name holds a secret.

    Args:
        name: Any text; only its first 200 characters count.
        grave: Whether only names count that make even a number a secret.
    """
    return _compiled(_GRAVE_NAME if grave else _NAME).search(_HUMP.sub("_", name[:200]).lower()) is not None


def mask(text: str, literals: Iterable[str] = (), *, code: bool = False) -> str:
    """A text without what looks like a secret in it.

    Args:
        text: Any text. Mask first and cut afterwards: a part of a secret does not look like one.
        literals: Secrets that are known, to be found wherever they stand.
        code: Whether the text is source, in which `token = load()` gives nothing away.
    """
    for literal in literals:
        text = text.replace(literal, MASK)
    for form, shown in _FORMS:
        text = _compiled(form).sub(shown, text)
    if not code:
        text = _compiled(_SAID).sub(rf"\g<1>{MASK}", text)
    return _RUN.sub(_mask_random, text)


def as_literals(secrets: Iterable[str]) -> tuple[str, ...]:
    """The forms in which secrets may stand in a text, longest first; without those that are too short to look for."""
    long = {secret for secret in secrets if len(secret) >= MIN_LITERAL and not secret.isspace()}
    return tuple(sorted(long | {repr(secret)[1:-1] for secret in long}, key=lambda text: (-len(text), text)))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # At first use: together they would cost the extension's load more than all the rest of it.
    return re.compile(pattern)


def _mask_random(run: re.Match[str]) -> str:
    text = run[0]
    return MASK if _is_random(text) and not _UUID.fullmatch(text) else text


def _is_random(text: str) -> bool:
    """Whether a run of at least 32 characters looks drawn at random, unlike a path or an identifier."""
    digits = sum(map(str.isdigit, text))
    entropy = -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
    mixed = text.lower() != text and text.upper() != text
    if len(text) == 40 and mixed and digits and not {"-", "_"} & set(text):  # the length of an AWS key
        return True
    if "/" in text and entropy < 4.5:
        return False
    return (mixed and digits >= 3 and entropy >= 4.0) or (digits >= 0.15 * len(text) and entropy >= 3.0)
