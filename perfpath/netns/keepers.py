"""What the process that keeps a container tells of it, where its cgroup and the usual state files don't.

A container's first process is the child of its keeper. containerd's shim runs in the container's bundle, the folder
of its config.json (OCI runtime specification); conmon is given the bundle and the name; LXC's monitor and
systemd-nspawn have the name in their command lines. So names are known too of containers whose state is elsewhere
(k3s, rootless Docker), belongs to another user (rootless podman) or is inside a container (kind, Docker in Docker):
/proc/PID/cwd and /proc/PID/root lead there.
"""

# Start-up needs no pathlib:
# ruff: noqa: PTH115, PTH119, PTH120, PTH123

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from perfpath.netns.state_files import at, pod, text

if TYPE_CHECKING:
    from perfpath.netns.state_files import StateFiles

SHIM = "containerd-shim"  # -runc-v2 and others follow
LXC_MONITOR = "[lxc monitor] "  # as LXC renames it: then the folder of containers, a space and the name
HEX_ID = re.compile(r"[0-9a-f]{64}")


class Keepers:
    """Names by a process of the container. proc: where /proc is."""

    def __init__(self, proc: str, states: StateFiles) -> None:
        self.proc = proc
        self.states = states

    def name(self, pid: int) -> tuple[str, str] | None:
        """(name, origin) of the container whose first process this is, None where no keeper tells it."""
        folder = f"{self.proc}/{parent(self.proc, pid)}"
        line = read(f"{folder}/cmdline")
        if line.startswith(LXC_MONITOR):
            return line.rstrip("\0 ").rpartition(" ")[2], "lxc"
        words = line.split("\0")
        program = os.path.basename(words[0])
        if program.startswith(SHIM):
            return self._shim(folder)
        if program == "conmon":
            return self._conmon(folder, words)
        if program == "systemd-nspawn":
            return _named(option(words, "-M", "--machine"), "nspawn")
        return None

    def _shim(self, folder: str) -> tuple[str, str] | None:
        """By the bundle; of all containers of a pod it is the sandbox's."""
        settings = self.states.load(f"{folder}/cwd/config.json")
        annotations = at(settings, "annotations")
        task = "" if settings is None else os.path.basename(_target(f"{folder}/cwd"))
        return (
            _named(pod(annotations), "kubernetes")
            or _named(text(annotations, "nerdctl/name"), "containerd")
            or self._docker(folder, settings, task)
            or (_named(task, "containerd") if not HEX_ID.fullmatch(task) else None)
        )

    def _docker(self, folder: str, settings: Any, identity: str) -> tuple[str, str] | None:
        """By Docker's own file, which is beside the container's /etc/hostname, as the shim's mount namespace has it."""
        mounts = at(settings, "mounts")
        for mount in mounts if isinstance(mounts, list) else []:
            home = os.path.dirname(text(mount, "source"))
            if text(mount, "destination") == "/etc/hostname" and os.path.basename(home) == identity:
                state = self.states.load(f"{folder}/root{home}/config.v2.json")
                return _named(text(state, "Name").removeprefix("/"), "docker")
        return None

    def _conmon(self, folder: str, words: list[str]) -> tuple[str, str] | None:
        """conmon(8): -b BUNDLE -n NAME; the annotations are CRI-O's."""
        bundle = option(words, "-b", "--bundle")
        settings = self.states.load(f"{folder}/root{bundle}/config.json") if bundle.startswith("/") else None
        return _named(pod(at(settings, "annotations")), "kubernetes") or _named(option(words, "-n", "--name"), "podman")


def option(words: list[str], short: str, long: str) -> str:
    """The value of an option in a command line, in any of its forms; "" for none."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in {short, long}:
            return following
        if word.startswith(f"{long}="):
            return word.partition("=")[2]
        if word.startswith(short) and not word.startswith("--"):
            return word[len(short) :]
    return ""


def parent(proc: str, pid: int) -> int:
    """The number of its parent, 0 for none or one that isn't to be seen (field 4 of proc_pid_stat(5))."""
    fields = read(f"{proc}/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 and fields[1].isdigit() else 0


def read(path: str) -> str:
    """A small file of /proc, "" where it is gone."""
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.read(65536))
    except OSError:
        return ""


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _named(name: str, origin: str) -> tuple[str, str] | None:
    return (name, origin) if name else None
