"""Measure the time since a process last received data from the network. Linux only: its kernel reports that in sock_diag(7)."""

import math
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

_SOCK_DIAG: Final = 4
"""The netlink protocol, `NETLINK_SOCK_DIAG`."""
_BY_FAMILY: Final = 20
"""The request, `SOCK_DIAG_BY_FAMILY`."""
_REQUEST_DUMP: Final = 0x1 | 0x300
_ERROR, _DONE = 2, 3
_ESTABLISHED: Final = 1 << 1
_WITH_INFO: Final = 1 << 1
_TCP: Final = 6
_HEADER, _MESSAGE = 16, 72
"""Bytes of a netlink header and of an `inet_diag_msg`."""
_PEER, _INODE = 24, 68
"""Offsets of the address of the other end and of the inode in an `inet_diag_msg`."""
_INFO: Final = 2
"""The attribute with a `tcp_info`."""
_LAST_DATA_RECEIVED: Final = 52
"""Offset of the milliseconds since data was received in a `tcp_info`."""
_TIMEOUT: Final = 1.0


def seconds_since_received(pid: int, *, remote: bool = False) -> float | None:
    """Return the seconds since a process last received data over TCP. A new connection counts as data.

    Args:
        pid: The id of a process of this user.
        remote: If True, only connections to other machines count.

    Returns:
        The seconds; infinity if it has no connection; None if the system does not report it.
    """
    if sys.platform != "linux":
        return None
    try:
        inodes = set(_sockets(pid))
        connections = [connection for family in (socket.AF_INET, socket.AF_INET6) for connection in _connections(family)]
    except (OSError, struct.error):
        return None
    return min((age for inode, local, age in connections if inode in inodes and not (remote and local)), default=math.inf)


def _sockets(pid: int) -> Iterator[int]:
    """Yield the inodes of the sockets of a process."""
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):
            target = os.readlink(f"{folder}/{name}")
            if target.startswith("socket:["):
                yield int(target[8:-1])


def _connections(family: int) -> Iterator[tuple[int, bool, float]]:
    """Yield the inode of each established connection, True if its other end is this machine, and the seconds since it received data."""
    # A header, then an `inet_diag_req_v2` for all connections of one family.
    request = struct.pack("=BBBBI", family, _TCP, _WITH_INFO, 0, _ESTABLISHED) + bytes(48)
    with socket.socket(getattr(socket, "AF_NETLINK", -1), socket.SOCK_RAW, _SOCK_DIAG) as netlink:
        netlink.settimeout(_TIMEOUT)
        netlink.send(struct.pack("=IHHII", _HEADER + len(request), _BY_FAMILY, _REQUEST_DUMP, 1, 0) + request)
        while True:
            data = netlink.recv(1 << 18)
            position = 0
            while position + _HEADER <= len(data):
                length, kind = struct.unpack_from("=IH", data, position)
                if kind == _ERROR:
                    raise OSError("The kernel does not report the connections.")
                if kind == _DONE or length < _HEADER:
                    return
                yield from _connection(data[position + _HEADER : position + length])
                position += length + 3 & ~3


def _connection(message: bytes) -> Iterator[tuple[int, bool, float]]:
    (inode,) = struct.unpack_from("=I", message, _INODE)
    peer = message[_PEER : _PEER + 16]
    address = ip_address(peer[:4] if message[0] == socket.AF_INET else peer)
    local = (getattr(address, "ipv4_mapped", None) or address).is_loopback
    position = _MESSAGE
    while position + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, position)
        if kind == _INFO:
            yield inode, local, struct.unpack_from("=I", message, position + 4 + _LAST_DATA_RECEIVED)[0] / 1000
        position += max(4, length + 3 & ~3)
