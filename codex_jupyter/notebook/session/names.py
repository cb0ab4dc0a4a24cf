"""Names of threads and variables that a user gives. This module imports no SDK."""

import re
from keyword import iskeyword
from typing import Final

from IPython.core.error import UsageError

_OF_IPYTHON: Final = r"In|Out|get_ipython|exit|quit|_{1,3}|_i+|_i?\d+|_[iod]h|__\w*__"
"""Pattern of the variables that IPython or Python use or overwrite. Compiled at its first use, because each kernel loads this module."""


def check_name(name: str, option: str) -> str:
    """Return the name of a thread or a variable, if it is valid.

    Raises:
        UsageError: If it is not an identifier.
    """
    if not name.isidentifier():
        raise UsageError(f"{option} takes a name of letters, digits and underscores, such as eda_2; not {name!r}.")
    return name


def check_variable(name: str, option: str) -> str:
    """Return the name of a variable, if it is valid.

    Raises:
        UsageError: If it is not an identifier, a word of Python that cannot be a variable, or a variable that IPython or Python need.
    """
    if re.fullmatch(_OF_IPYTHON, name):
        raise UsageError(f"{option} takes the name of a variable, and {name} belongs to IPython or Python. Use another name.")
    if iskeyword(name):
        raise UsageError(f"{option} takes the name of a variable, and {name} is a keyword of Python. Use another name, such as {name}_.")
    return check_name(name, option)
