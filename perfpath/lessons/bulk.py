"""Sends bytes over TCP between two namespaces, both ends in one process: all of it happens in one context."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from perfpath.netns.enter import within

if TYPE_CHECKING:
    from collections.abc import Callable

PORT = 5001
PATIENCE = 5.0
AFTERMATH = 0.005


def main(argv: list[str]) -> int:
    """SENDER RECEIVER ADDRESS BYTES: namespaces by name, the sender's address. Returns 1 where not all arrived."""
    sender, receiver, address, size = argv[0], argv[1], argv[2], int(argv[3])
    server = _inside(sender, lambda: socket.create_server((address, PORT)))
    reader = _inside(receiver, lambda: socket.create_connection((address, PORT), timeout=PATIENCE))
    writer, _ = server.accept()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with server, reader, writer:
        arrived = _transfer(writer, reader, size)
    end = time.monotonic() + AFTERMATH
    while time.monotonic() < end:  # awake, so that the last packets arrive in this context too
        continue
    return 0 if arrived == size else 1


def _inside(netns: str, opened: Callable[[], socket.socket]) -> socket.socket:
    place = f"/run/netns/{netns}"
    return within(place, Path(place).stat().st_ino, opened)


def _transfer(writer: socket.socket, reader: socket.socket, size: int) -> int:
    """Write and read without ever sleeping, so that timers fire while this process runs; returns what arrived."""
    data = memoryview(bytes(size))
    writer.setblocking(False)
    reader.setblocking(False)
    sent = arrived = 0
    end = time.monotonic() + PATIENCE
    while arrived < size and time.monotonic() < end:
        try:
            sent += writer.send(data[sent:]) if sent < size else 0
            arrived += len(reader.recv(1 << 20))
        except BlockingIOError:
            continue
    return arrived


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
