"""Replace secrets by `***`, by their names and by their forms.

There are two rule sets. `mask` is for data that the notebook sends to a model. It masks too much rather than too little, because a masked
word only costs the agent a question. `mask_message` is for errors, logs and events. It replaces known secrets and keys with a
characteristic form, and leaves numbers, ids and paths readable.

No rule recognises a secret without a characteristic name or form, such as a password in the columns of a printed table.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"
MARGIN: Final = 4_096
"""Characters to mask after the place where a text will be cut, so that no secret is cut before it is recognised."""
MIN_LITERAL: Final = 6
"""Minimum characters of a secret that is searched for in other texts. Shorter values are everyday words."""

_NAME_PARTS: Final = r"passw|passphrase|passcode|secret|credential|api_?-?key|token|bearer|authoriz"
"""Parts of names of secrets."""
_NAME: Final = rf"{_NAME_PARTS}|(?<![a-z])(?:keys?|auth|pwd|pass|pin|cookies?|jwt|dsn|sas|creds)(?![a-z])"
_GRAVE_NAME: Final = r"passw|passphrase|passcode|secret|credential|(?<![a-z])(?:pwd|pin)(?![a-z])"
"""Names whose value is a secret even if it is a number. `max_tokens` and `n_keys` are not such names."""
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_IN_TEXT: Final = (
    rf"(?:{_NAME_PARTS}|(?:access|private|auth|account|signing|encryption)_?-?key"
    r"|[a-z]_key\b|\bpwd\b|_pwd\b|_pass\b|\bauth\b|\bcreds\b)"
)
_BEHIND: Final = (
    rf"{_IN_TEXT}[\w-]{{0,40}}[\"']?\]?(?:\s{{0,8}}:\s{{0,8}}[\w\[\], |.]{{1,40}}?)?"
    r"\s{0,8}[:=]{1,2}\s{0,8}"
)
"""A name of a secret up to its value, in source and in JSON: `name = `, `"name": `, `name: str = `, `env["NAME"] = `."""
_ASSIGNED: Final = rf"(?i)({_BEHIND}[rbuf]{{0,2}})" r"(\"\"\"|'''|\"|')(?:\\[\s\S]|(?!\2)[\s\S]){0,8192}\2?"
"""`name = "value"`, also without its end."""
_LISTED: Final = (
    rf"(?i)({_BEHIND})([\[({{](?:[^\[\](){{}}\"']|[\"'][^\"'\n]{{0,400}}[\"']|[\[({{][^\[\](){{}}]{{0,1000}}[\])}}]){{0,400}}[\])}}]?)"
)
"""`name = ["value", "value"]`, also tuples, sets, dicts and one level of nesting."""
_EXPORTED: Final = (
    r"\b([A-Z0-9_]*(?:PASSW|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|API_?KEY|_KEY|_PWD|_PASS|_AUTH)[A-Z0-9_]*=)"
    r"(?!\d{1,6}\b)[^\s\"'*][^\s\"']*"
)
"""`NAME=value`, as in shells."""
_KEY_FORMS: Final[tuple[tuple[str, str], ...]] = (
    (r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[\s\S]*?(?:-----END [A-Z0-9 ]*-----|\Z)", MASK),  # words: allow
    # Keys with the prefix of their provider.
    (r"\b(?:sk|rk|pk)[-_](?=[A-Za-z_-]{0,60}\d)[A-Za-z0-9_-]{12,}", MASK),
    (r"\b(?:gh[opusr]_|github_pat_|glpat-|hf_|npm_|pypi-|dop_v1_|shpat_|SG\.|ya29\.|AIza|xox[a-z]-)[A-Za-z0-9_.-]{12,}", MASK),
    (r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{12,}", MASK),
    (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?", MASK),
    (r"(hooks\.slack\.com/services/|discord(?:app)?\.com/api/webhooks/)[\w/-]+", rf"\g<1>{MASK}"),
    (r"(?i)\b(bearer|basic)(\s{1,8})(?=\S{0,200}[\d=])[\w.~+/=-]{8,}", rf"\g<1>\g<2>{MASK}"),
    # URLs with a password, or with one in their query.
    (r"(\b[a-zA-Z][a-zA-Z0-9+.-]{0,20}://)[^\s/@:'\"]{0,200}:[^\s/@'\"]{1,200}@", rf"\g<1>{MASK}@"),
    (
        rf"(?i)([?&][\w.-]{{0,40}}(?:{_NAME_PARTS}|key|sig|signature|auth)[\w.-]{{0,20}}=)(?!\*\*\*|(?:true|false)\b)[^&\s\"'#]+",
        rf"\g<1>{MASK}",
    ),
)
"""Secrets that are recognised by their form alone."""
_KEY_MARKS: Final[tuple[tuple[tuple[bytes, ...], bytes], ...]] = (
    ((b"-----begin",), b"private key"),
    ((b"sk-", b"sk_", b"rk-", b"rk_", b"pk-", b"pk_"), b""),
    ((b"gh", b"glpat-", b"hf_", b"npm_", b"pypi-", b"dop_v1_", b"shpat_", b"sg.", b"ya29.", b"aiza", b"xox"), b""),
    ((b"akia", b"asia", b"agpa", b"aida", b"aroa"), b""),
    ((b"eyj",), b""),
    ((b"hooks.slack.com/", b"discord.com/", b"discordapp.com/"), b""),
    ((b"bearer", b"basic"), b""),
    ((b"://",), b"@"),
    ((b"?", b"&"), b"="),
)
"""For each of these forms, how it can start and another part, in small letters. Searching them is far faster than the form."""
_PASSWORD_OPTIONS: Final[tuple[tuple[str, str], ...]] = (
    (
        r"(?i)\b((?:machine\s{1,8}\S{1,200}|default)\s{1,8}(?:(?:login|account)\s{1,8}\S{1,200}\s{1,8}){0,2}password\s{1,8})[^\s\"']+",
        rf"\g<1>{MASK}",
    ),
    (r"\b((?:mysql|mariadb|7z|rar|unrar|sshpass|mongo)[\w-]{0,20}\b[^\n|;&]{0,300}?\s-p)(?![\s-])[^\s\"',)]+", rf"\g<1>{MASK}"),
    (
        r"\b((?:sshpass|mongo\w{0,10})\b[^\n|;&]{0,300}?\s-p\s{1,4}|\b(?:un)?zip\b[^\n|;&]{0,300}?\s-P\s{0,4})(?!-)[^\s\"',)]+",
        rf"\g<1>{MASK}",
    ),
    (
        r"(?<![\w-])(-p)(?=[^\s\"',]{0,40}[A-Za-z])(?=[^\s\"',]{0,40}\d)[^\s\"',/:=*][^\s\"',/:]{4,}(?![\w/:])",
        rf"\g<1>{MASK}",
    ),
    (r"(?<![\w-])((?:-u|--user|--proxy-user)[ =]?[^\s:\"'/-][^\s:\"'/]{0,100}:)(?!\d{1,6}\b)[^\s\"'/]+", rf"\g<1>{MASK}"),
)
"""Files of logins (netrc), and password options of programs that have only a short name."""
_NAMED_FORMS: Final[tuple[tuple[str, str], ...]] = (
    (_ASSIGNED, rf"\g<1>\g<2>{MASK}\g<2>"),
    (_EXPORTED, rf"\g<1>{MASK}"),
    (rf"(?i)((?<![\w-])--?[\w-]{{0,40}}?(?:{_NAME_PARTS})[\w-]{{0,40}}[ =])(?!\d{{1,6}}\b)[^\s\"'-][^\s\"']*", rf"\g<1>{MASK}"),
    *_PASSWORD_OPTIONS,
)
"""Secrets that are recognised by the name or the option before them."""
_SAID: Final = rf"(?i)({_IN_TEXT}[\w-]{{0,40}}[\"']?\]?\s{{0,8}}[:=]\s{{0,8}})(?!\d{{1,6}}\b)[^\s\"',;)}}\]*\[({{][^\s\"',;)}}\]]*"
"""`name: value` in prose and logs. In source it would hide calls and annotations."""
_SAID_IN_SOURCE: Final = (
    rf"(?i)({_IN_TEXT}[\w-]{{0,40}}=)(?=[\w+/~@#$%^&!-]{{0,80}}\d)(?!\d)[\w+/~@#$%^&!-]{{4,200}}(?![\w(.\[+/=~@#$%^&!-])"
)
"""`name=value` in a line of source that may be the middle of a long string. The value has a digit; a call or an attribute is source."""
_STRING: Final = (
    r"(\"\"\"|''')(?:\\[\s\S]|(?!\1)[\s\S]){0,8192}?(?:\1|\Z)"
    r"|(\"|')(?:\\.|(?!\2)[^\n\\]){0,8192}\2?"
)
"""A string literal, also without its end."""
_QUOTED: Final = r"(\"|')(?:\\.|(?!\1)[^\n\\]){1,400}\1(\s{0,8}:)?"
_WORD: Final = r"(?<![^\s,\[\](){}\"':])[^\s,\[\](){}\"':]+(?!\s{0,8}:)(?![^\s,\[\](){}\"':])"
_WORD_IN_SOURCE: Final = r"(?<![\w\"'.])(?=[\w+/=-]{0,200}\d)(?=[\w+/=-]{0,200}[A-Za-z])[\w+/=-]{4,}(?![\w\"'(:.\[+/=-])"
"""Elements of a list after a name of a secret: quoted, bare in a log, and bare in source, where a name or a call is not a secret."""
_PLAIN_VARIABLES: Final = frozenset({"PWD", "OLDPWD", "SSH_AUTH_SOCK", "XAUTHORITY", "HOSTNAME"})
"""Environment variables whose names or values only look like secrets."""
_LONG_VALUE: Final = 16
"""Minimum characters of a possible key: a value of letters and digits, without spaces and path separators."""
_KEY_LIKE: Final = r"(?=[^\d]*\d)(?=[^A-Za-z]*[A-Za-z])[\w+=~@#$%^&!-]+"
_RUN: Final = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
_UNDERSCORE: Final = ord("_")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def is_secret_name(name: str, *, grave: bool = False) -> bool:
    """Return whether a variable, a key or a column of this name holds a secret.

    Args:
        name: Any text. Only its first 200 characters count.
        grave: Count only names that make even a number a secret.
    """
    return _compiled(_GRAVE_NAME if grave else _NAME).search(_HUMP.sub("_", name[:200]).lower()) is not None


def is_secret_variable(name: str, value: str) -> bool:
    """Return whether an environment variable holds a secret, by its name or, under a neutral name, by its value.

    Values of the environment are seldom everyday words. So any value of letters and digits that can be a key counts, and any value of a
    variable with a name of a secret.

    Args:
        name: The name of the variable.
        value: Its value.
    """
    if name in _PLAIN_VARIABLES or len(value) < MIN_LITERAL:
        return False
    if is_secret_name(name):
        return not (value.isalpha() and value.islower()) or is_secret_name(name, grave=True)
    return is_secret_text(value) or (
        len(value) >= _LONG_VALUE and _compiled(_KEY_LIKE).fullmatch(value) is not None and not _UUID.fullmatch(value)
    )


def is_secret_text(text: str) -> bool:
    """Return whether a text contains a key with a characteristic form, such as `sk-...` or a password in a URL."""
    return any(_compiled(form).search(text) for form, _ in _KEY_FORMS)


def holds_key(data: bytes) -> bool:
    """Return whether a file contains a key with a characteristic form, as `is_secret_text` does for a text.

    Args:
        data: The content of the file. A content that is not UTF-8 is searched as well as possible.
    """
    small, text = data.lower(), None
    for (form, _), (starts, other) in zip(_KEY_FORMS, _KEY_MARKS, strict=True):
        if other in small and any(_starts_word(small, start) for start in starts):
            text = data.decode("utf-8", errors="replace") if text is None else text
            if _compiled(form).search(text):
                return True
    return False


def _starts_word(data: bytes, start: bytes) -> bool:
    """Return whether a text occurs that no letter, digit or `_` precedes, or that starts with another character itself."""
    at = data.find(start)
    while at > 0 and start[:1].isalnum() and (data[at - 1 : at].isalnum() or data[at - 1] == _UNDERSCORE):
        at = data.find(start, at + 1)
    return at >= 0


def has_password_option(command: str) -> bool:
    """Return whether a command holds a password after an option that does not say so, such as `-u NAME:PASSWORD`.

    Args:
        command: The command as one line.
    """
    return any(_compiled(form).search(command) for form, _ in _PASSWORD_OPTIONS)


def mask(text: str, literals: Iterable[str] = (), *, code: bool = False) -> str:
    """Replace everything in a text that looks like a secret.

    Args:
        text: Any text. Mask first and cut afterwards: a part of a secret does not look like one.
        literals: Known secrets, which are masked everywhere.
        code: True for source, where `token = load()` reveals nothing.
    """
    text = mask_message(text, literals)
    word = _compiled(_WORD_IN_SOURCE if code else _WORD)
    text = _compiled(_LISTED).sub(lambda match: match[1] + _mask_elements(match[2], word), text)
    for form, shown in _NAMED_FORMS:
        text = _compiled(form).sub(shown, text)
    if code:
        text = _compiled(_STRING).sub(lambda string: _mask_said(string[0]), text)
        text = _compiled(_SAID_IN_SOURCE).sub(rf"\g<1>{MASK}", text)
    else:
        text = _mask_said(text)
    return _RUN.sub(_mask_random, text)


def mask_message(text: str, literals: Iterable[str] = ()) -> str:
    """Replace the secrets in an error, a log line or an event: known secrets, and keys with a characteristic form.

    Args:
        text: Any text.
        literals: Known secrets, as `as_literals` returns them.
    """
    for literal in literals:
        text = text.replace(literal, MASK)
    for form, shown in _KEY_FORMS:
        text = _compiled(form).sub(shown, text)
    return text


def as_literals(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return the forms of secrets in a text, longest first. Secrets that are too short to search for are left out.

    Args:
        secrets: The values. Each is returned as it is, and as it is written in source, in JSON and in a URL.
    """
    long = {secret for secret in secrets if len(secret) >= MIN_LITERAL and not secret.isspace()}
    forms = {form for secret in long for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], *_in_url(secret))}
    return tuple(sorted(forms, key=lambda text: (-len(text), text)))


def _in_url(text: str) -> tuple[str, str]:
    return quote(text, safe="", errors="replace"), quote_plus(text, errors="replace")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # Compiled at first use, because compiling all patterns takes longer than the rest of loading the extension.
    return re.compile(pattern)


def _mask_said(text: str) -> str:
    return _compiled(_SAID).sub(rf"\g<1>{MASK}", text)


def _mask_elements(text: str, word: re.Pattern[str]) -> str:
    """Mask the elements of a list, or the values of a dict, after a name of a secret."""
    text = _compiled(_QUOTED).sub(lambda quoted: quoted[0] if quoted[2] else f"{quoted[1]}{MASK}{quoted[1]}", text)
    return word.sub(MASK, text)


def _mask_random(run: re.Match[str]) -> str:
    text = run[0]
    return MASK if _is_random(text) and not _UUID.fullmatch(text) else text


def _is_random(text: str) -> bool:
    """Return whether a run of at least 32 characters looks drawn at random, unlike a path or an identifier."""
    digits = sum(map(str.isdigit, text))
    entropy = -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
    mixed = text.lower() != text and text.upper() != text
    if len(text) == 40 and mixed and digits and not {"-", "_"} & set(text):  # the length of an AWS key
        return True
    if "/" in text and entropy < 4.5:
        return False
    return (mixed and digits >= 3 and entropy >= 4.0) or (digits >= 0.15 * len(text) and entropy >= 3.0)
