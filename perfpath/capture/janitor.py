"""The process that takes a lab down, also when its builder is killed with SIGKILL.

It reads what was built from its standard input, one thing a line (`netns NAME`, `link NAME`), and removes all of it,
the newest first, when that input ends: because the lab was closed, or because its builder is gone.
"""

from __future__ import annotations

import signal
import subprocess
import sys


def removal(line: str) -> list[str] | None:
    """The command that removes what a line names; None for a line that names nothing."""
    kind, _, name = line.strip().partition(" ")
    if not name:
        return None
    return {"netns": ["ip", "netns", "delete", name], "link": ["ip", "link", "delete", "dev", name]}.get(kind)


def main() -> int:
    """Wait for the end of the input, then remove. Returns how many things could not be removed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    commands = [command for line in sys.stdin if (command := removal(line))]
    failed = 0
    for command in reversed(commands):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode and not _already_gone(done.stderr):
            failed += 1
            sys.stderr.write(f"perfpath: {' '.join(command)}: {done.stderr.strip()}\n")
    return failed


def _already_gone(message: str) -> bool:
    return "Cannot find device" in message or "No such file or directory" in message


if __name__ == "__main__":
    sys.exit(main())
