"""Sessions in processes of their own, and what the kernel says of processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DRIVER = Path(__file__).with_name("driver.py")
PATIENCE = 20.0


@dataclass
class Traced:
    """A driver, ended or to be started, and where it writes."""

    out: Path
    argv: list[str]
    status: int = -1
    stdout: str = ""
    stderr: str = ""

    @property
    def started(self) -> bool:
        """The command was released."""
        return Path(f"{self.out}.started").exists()

    @property
    def said(self) -> dict[str, Any]:
        """What the session said of itself at its end."""
        told: dict[str, Any] = json.loads(Path(f"{self.out}.json").read_text())
        return told

    def notes(self) -> set[str]:
        """The codes of its diagnostics."""
        return {note["code"] for note in self.said["notes"]}

    def events(self) -> list[str]:
        """The stream's events, one a line; those of a recording as perf script shows them."""
        if self.said["format"] == "perf trace":
            text = self.out.read_bytes()
        else:
            text = subprocess.run(["perf", "script", "-i", self.out], check=True, capture_output=True).stdout
        return [os.fsdecode(line) for line in text.split(b"\n") if line]  # whole-system traces hold anybody's names


class Driver:
    """Runs sessions with these options of a plan, in a folder."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.options = options
        self._count = 0

    def prepare(self, *command: str, **options: Any) -> Traced:
        """What to run and where it will write."""
        self._count += 1
        out = self.folder / f"stream-{self._count}"
        return Traced(out, [sys.executable, str(DRIVER), json.dumps(self.options | options), str(out), *command])

    def run(self, *command: str, stdin: str = "", prefix: Sequence[str] = (), **options: Any) -> Traced:
        """Trace a command to its end."""
        traced = self.prepare(*command, **options)
        done = subprocess.run(
            [*prefix, *traced.argv], input=stdin, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        traced.status, traced.stdout, traced.stderr = done.returncode, done.stdout, done.stderr
        return traced


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that must come true soon."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, f"never came true: {what}"
        time.sleep(0.005)


def descendants(pid: int) -> list[int]:
    """All living descendants of a process."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (fields := _stat(int(folder.name))):
            parents.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found[1:]


def lives(pid: int) -> bool:
    """False for a process that is gone or waits for nothing but to be reaped."""
    fields = _stat(pid)
    return bool(fields) and fields[0] not in {"Z", "X"}


def program(pid: int) -> str:
    """The name of what a process runs, "" where it is gone."""
    try:
        return Path(os.readlink(f"/proc/{pid}/exe")).name  # noqa: PTH115 - also for a program that was removed
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """State, parent, ... (proc_pid_stat(5), from the third field on)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
