"""Names of threads and variables that a user gives. This module imports no SDK."""

from keyword import iskeyword

from IPython.core.error import UsageError


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
        UsageError: If it is not an identifier, or a word of Python that cannot be a variable.
    """
    if iskeyword(name):
        raise UsageError(f"{option} takes the name of a variable, and {name} is a keyword of Python. Use another name, such as {name}_.")
    return check_name(name, option)
