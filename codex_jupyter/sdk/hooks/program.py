"""The program that Codex starts for each call of a hook. It passes the call to the process of the user, and its reply to Codex.

Codex runs it with `python -I -S`, so it imports nothing of this package.
"""

import os
import socket
import sys

VARIABLE = "CODEX_JUPYTER_HOOKS"
"""The environment variable with the path of the socket."""


def main() -> None:
    """Pass the standard input on, and write the reply to the standard output."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ[VARIABLE])
        connection.sendall(sys.stdin.buffer.read())
        connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65536):
            sys.stdout.buffer.write(chunk)


if __name__ == "__main__":
    main()
