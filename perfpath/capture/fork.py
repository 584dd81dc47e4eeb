"""Processes forked by hand: `subprocess` can neither hold a child at a gate nor tie its life to ours.

All signals are blocked from before the fork until the child has its own dispositions, so that no handler of ours
ever runs in a child and none of its signals is lost.
"""

from __future__ import annotations

import ctypes
import os
import signal
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

PR_SET_PDEATHSIG = 1  # include/uapi/linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36


def fork(body: Callable[[], NoReturn]) -> int:
    """Fork; the child runs `body` with default signals (those ignored by whoever started us stay so). Gives its pid."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _become(body, mask)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _become(body: Callable[[], NoReturn], mask: Iterable[int]) -> NoReturn:
    try:
        default_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        body()
    finally:  # never back into the caller's code, whatever happened
        os._exit(127)


def default_signals() -> None:
    """Undo our handlers and the two signals that Python itself ignores, as `subprocess` does."""
    for number in signal.valid_signals():
        if number in {signal.SIGKILL, signal.SIGSTOP}:
            continue
        if signal.getsignal(number) not in {signal.SIG_DFL, signal.SIG_IGN, None}:
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def fill_stdio() -> None:
    """Open /dev/null where we were started without a standard descriptor, lest a pipe of ours become it."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def prctl(option: int, value: int) -> None:
    """Call the kernel's prctl; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def spawn_tied(
    argv: Sequence[str],
    *,
    stdio: tuple[int, int, int],
    keep: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
    new_session: bool = True,
) -> int:
    """Start a program that dies with us (SIGKILL); gives its pid.

    stdio: descriptors for its 0, 1 and 2. keep: descriptors it inherits by the same number.
    new_session: a session of its own, else a process group of its own; neither gets a Ctrl-C from our terminal.
    """
    ours = os.getpid()
    environment = dict(os.environ if env is None else env)

    def body() -> NoReturn:
        if new_session:
            os.setsid()
        else:
            os.setpgid(0, 0)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != ours:  # we died before the prctl
            os._exit(127)
        copies = [os.dup(fd) for fd in stdio]  # so that no dup2 overwrites one that is still needed
        for number, fd in enumerate(copies):
            os.dup2(fd, number)
        for fd in keep:
            os.set_inheritable(fd, True)
        try:
            os.execve(argv[0], list(argv), environment)  # noqa: S606 - no shell is wanted
        except OSError as error:
            os.write(2, f"{argv[0]}: {error.strerror}\n".encode(errors="surrogateescape"))
            os._exit(127)

    return fork(body)


def exit_status(wait_status: int) -> int:
    """What a shell makes of a wait status: the exit status, or 128 + the signal."""
    if os.WIFSIGNALED(wait_status):
        return 128 + os.WTERMSIG(wait_status)
    return os.WEXITSTATUS(wait_status)
