"""Going into a network namespace without ever leaving the caller's own.

The network namespace is a thread's, so whatever must happen inside another happens in a thread of its own that ends
afterwards: nothing that goes wrong in there can leave the program in the wrong namespace.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

CLONE_NEWNET = 0x40000000
THREADS_OWN = "/proc/thread-self/ns/net"

T = TypeVar("T")


def aside(work: Callable[[], T]) -> T:
    """What `work` returns or raises, run in a thread of its own that may change its namespace as it likes."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again, by the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, name="perfpath-netns", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def enter(path: str, inum: int) -> None:
    """Move the calling thread into the namespace that `path` names; only ever call this inside `aside`.

    Raises OSError; FileNotFoundError also where `path` is another namespace by now.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_ino != inum:
            raise FileNotFoundError(2, "it is another namespace by now", path)
        _setns(descriptor)
    finally:
        os.close(descriptor)


def within(path: str, inum: int, work: Callable[[], T]) -> T:
    """What `work` returns, run inside the namespace that `path` names. Raises OSError as `enter` does."""

    def run() -> T:
        enter(path, inum)
        return work()

    return aside(run)


def _setns(descriptor: int) -> None:
    """setns(2); in Python's own library only since 3.12."""
    setns = getattr(os, "setns", None)
    if setns is not None:
        setns(descriptor, CLONE_NEWNET)
        return
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
