"""The traced command: found, held at a gate until perf watches it, released, waited for."""

from __future__ import annotations

import errno
import os
from typing import NoReturn

from perfpath.capture.fork import exit_status, fork
from perfpath.errors import CommandNotExecutableError, CommandNotFoundError
from perfpath.escape import visible

_ERRNO_LENGTH = 4


def locate(command: str) -> str:
    """The path that execvp(3) would run.

    Raises CommandNotFoundError, or CommandNotExecutableError where only something that may not be run is there.
    """
    by_path = os.sep in command
    folders = [""] if by_path else os.get_exec_path() * bool(command)
    paths = [os.path.join(folder, command) for folder in folders]  # noqa: PTH118 - an empty folder is the current one
    for path in paths:
        if is_program(path):
            return path
    if by_path and os.path.isdir(command):  # noqa: PTH112 - as is_program
        raise CommandNotExecutableError(f"{visible(command)}: is a directory, not a command")
    for path in paths:
        if os.path.isfile(path):  # noqa: PTH113 - as is_program
            raise CommandNotExecutableError(
                f"{visible(path)}: may not be executed: allow it with chmod +x, or run it by its interpreter"
            )
    where = "no such file" if by_path else "no such command on PATH"
    raise CommandNotFoundError(f"{visible(command)}: {where}")


def is_program(path: str) -> bool:
    """True for a file that may be executed; False also where a folder on the way may not be entered."""
    return os.path.isfile(path) and os.access(path, os.X_OK)  # noqa: PTH113 - Path's raises PermissionError


def exec_error(command: str, number: int) -> CommandNotFoundError | CommandNotExecutableError:
    """The error for an execve(2) that failed with this errno."""
    shown = visible(command)
    if number == errno.ENOENT:
        return CommandNotFoundError(f"{shown}: it, or the interpreter its first line names, doesn't exist")
    if number == errno.ENOEXEC:
        return CommandNotExecutableError(
            f"{shown}: not a program for this machine, and no script either: its first line must begin with #!"
        )
    return CommandNotExecutableError(f"{shown}: can't be executed: {os.strerror(number)}")


class Process:
    """A child of ours, by its pid: whether it lives, how it ended."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None
        try:
            self.pidfd = os.pidfd_open(pid)
        except OSError:  # Linux < 5.3: the caller polls
            self.pidfd = -1

    def poll(self) -> int | None:
        """The exit status as a shell has it, or None while it lives."""
        if self.status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else's waitpid took it: how it ended is not to be known
                pid, status = self.pid, 0
            if pid:
                self.status = exit_status(status)
        return self.status

    def wait(self) -> int:
        """Block until it has ended."""
        while self.poll() is None:
            try:
                _, status = os.waitpid(self.pid, 0)
            except ChildProcessError:
                continue
            self.status = exit_status(status)
        return self.status or 0

    def send(self, number: int) -> None:
        """Send it a signal, unless it has ended (its pid may be another's then)."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def close(self) -> None:
        """Give the descriptor back; the process is not touched."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


class GatedCommand(Process):
    """The command as a child of ours that waits before its execve until `release`."""

    def __init__(self, command: tuple[str, ...], output: int = -1) -> None:
        """Raises CommandNotFoundError or CommandNotExecutableError; nothing was started then.

        output: a descriptor in place of a terminal as its output or error, -1 for none.
        """
        self.command = command
        self.released = False
        path = locate(command[0])
        gate_read, self._gate = os.pipe()
        self._failure, failure_write = os.pipe()

        def body() -> NoReturn:
            os.close(self._gate)
            if not os.read(gate_read, 1):  # perfpath has gone, or never got perf to run
                os._exit(127)
            for fd in (1, 2) if output >= 0 else ():
                if os.isatty(fd):
                    os.dup2(output, fd)
            try:
                os.execv(path, list(command))  # noqa: S606 - running it is the point
            except OSError as error:
                os.write(failure_write, (error.errno or 0).to_bytes(_ERRNO_LENGTH, "little"))
            os._exit(127)

        try:
            super().__init__(fork(body))
        finally:
            os.close(gate_read)
            os.close(failure_write)

    def release(self) -> None:
        """Let it run. Raises CommandNotFoundError or CommandNotExecutableError where its execve fails."""
        self.released = True
        try:
            os.write(self._gate, b"!")
        except BrokenPipeError:  # killed while it waited: poll() tells how
            return
        answer = os.read(self._failure, _ERRNO_LENGTH)  # closed by a successful execve
        if answer:
            self.wait()
            raise exec_error(self.command[0], int.from_bytes(answer, "little"))

    def close(self) -> None:
        """Give the descriptors back. A command that still waits at its gate ends by that; one that runs goes on."""
        if self._gate >= 0:
            os.close(self._gate)
            os.close(self._failure)
            self._gate = -1
            if not self.released:
                self.wait()
        super().close()
