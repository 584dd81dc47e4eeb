"""A perf that really runs here: on PATH, or where distributions hide it behind a wrapper script.

Debian's and Ubuntu's `perf` may be a script that looks for a perf of exactly the running kernel's version and gives up;
any perf beside it does as well, since a tracepoint's format comes with the recording.
"""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from perfpath.capture.child import is_program
from perfpath.errors import CaptureError
from perfpath.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = (
    "/usr/bin/perf_*",  # Debian: linux-perf-6.1 and such
    "/usr/lib/linux-tools/*/perf",  # Ubuntu: links for each kernel
    "/usr/lib/linux-tools-*/perf",
    "/usr/libexec/perf",
)
INSTALL = (
    "install it: apt install linux-perf (Debian), apt install linux-tools-generic (Ubuntu), "
    "dnf install perf (Fedora, RHEL), pacman -S perf (Arch); or name one with --perf PATH or PERFPATH_PERF"
)
_TRIAL_SECONDS = 10


def find_perf(explicit: str | None = None) -> str:
    """The path of a perf that runs: the one named, that of PERFPATH_PERF, that on PATH, or a hidden one.

    Raises CaptureError where there is none; it names what was tried and what that said.
    """
    named = explicit or os.environ.get("PERFPATH_PERF")
    if named:
        return _named(named)
    complaints = []
    for path in dict.fromkeys(chain(_on_path("perf"), _hidden())):
        if not is_program(path):
            continue
        complaint = _complaint(path)
        if complaint is None:
            return path
        complaints.append(f"{visible(path)} doesn't run: {visible(complaint)}")
    raise CaptureError("; ".join([*complaints, "no usable perf found", INSTALL]))


def _named(path: str) -> str:
    found = path if os.sep in path else next((p for p in _on_path(path) if is_program(p)), path)
    if not is_program(found):
        raise CaptureError(f"{visible(path)}: named as the perf to use, but it isn't there or may not be executed")
    complaint = _complaint(found)
    if complaint is not None:
        raise CaptureError(f"{visible(path)}: named as the perf to use, but it doesn't run: {visible(complaint)}")
    return found


def _on_path(name: str) -> list[str]:
    return [str(Path(folder) / name) for folder in os.get_exec_path()]


def _hidden() -> Iterator[str]:
    """Perfs off the PATH: that of the running kernel first, then the newest."""
    import glob  # rarely needed, and start-up counts
    import re

    paths = [path for pattern in HIDDEN for path in glob.glob(pattern)]  # noqa: PTH207 - absolute patterns
    kernel = os.uname().release
    key = {path: (kernel in path, [int(number) for number in re.findall(r"\d+", path)]) for path in paths}
    yield from sorted(paths, key=key.__getitem__, reverse=True)


def _complaint(path: str) -> str | None:
    """What is wrong with a perf, None where it runs. Programs are trusted (trying takes time); scripts are tried."""
    try:
        with Path(path).open("rb") as file:
            if file.read(2) != b"#!":
                return None
    except PermissionError:  # may be run and not read: no script then
        return None
    import subprocess  # rarely needed, and start-up counts

    try:
        trial = subprocess.run(
            [path, "--version"], capture_output=True, check=False, timeout=_TRIAL_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if trial.returncode == 0 and b"perf version" in trial.stdout:
        return None
    lines = (trial.stderr or trial.stdout).decode(errors="backslashreplace").split("\n")
    return next((line.strip() for line in lines if line.strip()), f"exit status {trial.returncode}")
