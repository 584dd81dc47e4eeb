"""Finding network namespaces: every file that names one, and who lives in each.

A namespace lives as long as a process, a bind mount, an open descriptor or a socket holds it. All but the last are to
be seen in /proc. Looking at processes' own namespaces and at this mount table costs about 8 us a process; looking
at threads, descriptors and other mount tables too (`thorough`) costs ten times that, and finds what is rare.
"""

# Thousands of files of /proc are looked at here, and pathlib doubles what each costs:
# ruff: noqa: PTH115, PTH116, PTH123, PTH208

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from perfpath.diagnostics import Diagnostics

DESCRIPTORS_LOOKED_AT = 200_000  # about a second; beyond that a descriptor that alone holds a namespace isn't found

DETACHED = "/"  # what is shown of a file that was opened where it was bound, and is bound there no more


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look; tests put their own files there."""

    proc: str = "/proc"
    iproute: str = "/run/netns"
    docker: str = "/run/docker/netns"

    def own(self) -> str:
        """The namespace of the calling thread, by a path that means the same to every thread."""
        return f"{self.proc}/self/task/{threading.get_native_id()}/ns/net"


@dataclass(slots=True)
class Found:
    """A namespace that exists.

    path: the file by which it was first seen; iproute, docker, mounts: the names of files bound to it there (mounts:
    paths); pids: processes in it, ascending; holders: processes that have only a thread or a descriptor there.
    """

    dev: int
    inum: int
    path: str
    iproute: list[str] = field(default_factory=list)
    docker: list[str] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    holders: list[int] = field(default_factory=list)

    def paths(self, places: Places) -> Iterator[str]:
        """Files that name it, those that last first."""
        yield from (f"{places.iproute}/{name}" for name in self.iproute)
        yield from (f"{places.docker}/{name}" for name in self.docker)
        yield from self.mounts
        yield from (f"{places.proc}/{pid}/ns/net" for pid in self.pids)
        yield self.path  # of a thread or a descriptor


class Finder:
    """Collects namespaces by identity, (st_dev, st_ino); files that are none are noted."""

    def __init__(self, places: Places, diagnostics: Diagnostics) -> None:
        self.places = places
        self.diagnostics = diagnostics
        self.found: dict[tuple[int, int], Found] = {}
        self.home: dict[int, Found] = {}
        try:
            self.own = self._see(places.own())
        except PermissionError:
            self.own = None

    def look(self, remembered: Iterable[str] = (), *, thorough: bool) -> dict[tuple[int, int], Found]:
        """All namespaces, in the order: own, named files, processes', mounts, held ones.

        remembered: paths where an earlier, thorough look found some.
        """
        self._look_in(self.places.iproute, "iproute")
        self._look_in(self.places.docker, "docker")
        pids = sorted(int(name) for name in _names(self.places.proc) if name.isdecimal())
        self._look_at_processes(pids)
        self._look_at_mounts(f"{self.places.proc}/self/mountinfo", "")
        if thorough:
            self._look_at_other_mounts(pids)
            self._look_at_threads(pids)
            self._look_at_descriptors(pids)
        for path in remembered:
            with contextlib.suppress(PermissionError):
                if self._is_namespace(path):
                    self._see(path)
        return self.found

    def _see(self, path: str) -> Found | None:
        """The namespace that `path` names, None where there is no such file (any more). Raises PermissionError."""
        try:
            status = os.stat(path)
        except PermissionError:
            raise
        except OSError:
            return None
        key = status.st_dev, status.st_ino
        found = self.found.get(key)
        if found is None:
            found = self.found[key] = Found(*key, path)
        return found

    def _look_in(self, folder: str, kind: str) -> None:
        for name in sorted(_names(folder)):
            path = f"{folder}/{name}"
            try:
                if not self._is_namespace(path):
                    self.diagnostics.note(
                        "stale-netns-file",
                        f"files in {folder} that are no namespace (any more)",
                        severity="info",
                        example=name,
                        advice="`ip netns del NAME` removes such a file",
                    )
                    continue
                found = self._see(path)
            except PermissionError:
                self._unreadable(path)
                continue
            if found is not None:
                (found.iproute if kind == "iproute" else found.docker).append(name)

    def _is_namespace(self, path: str) -> bool:
        """Whether a bound file is in nsfs, as our own namespace is; `ip netns` leaves plain files where it failed."""
        try:
            return self.own is None or os.stat(path).st_dev == self.own.dev
        except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
            return False

    def _look_at_processes(self, pids: list[int]) -> None:
        for pid in pids:
            try:
                found = self._see(f"{self.places.proc}/{pid}/ns/net")
            except PermissionError:
                self._unreadable(f"{self.places.proc}/{pid}/ns/net")
                continue
            if found is not None:
                found.pids.append(pid)
                self.home[pid] = found

    def _look_at_mounts(self, mountinfo: str, root: str) -> None:
        """Files bound to a namespace: lines of proc_pid_mountinfo(5) whose root is `net:[inum]`."""
        try:
            with open(mountinfo, "rb") as file:
                lines = [line.split(b" ", 5) for line in file if b" net:[" in line]
        except OSError:
            return
        known = {found.inum for found in self.found.values()} if root else set()
        for line in lines:
            if len(line) < 6 or not line[3].startswith(b"net:["):
                continue
            mounted = _unescaped(os.fsdecode(line[4]))
            listed = mounted.startswith((self.places.iproute + "/", self.places.docker + "/")) and not root
            if not listed and not (line[3][5:-1].isdigit() and int(line[3][5:-1]) in known):
                self._see_mount(root + mounted)

    def _see_mount(self, path: str) -> None:
        try:
            if not self._is_namespace(path):  # something else is mounted over it
                return
            found = self._see(path)
        except PermissionError:
            self._unreadable(path)
            return
        if found is not None and path not in found.mounts:
            found.mounts.append(path)

    def _look_at_other_mounts(self, pids: list[int]) -> None:
        """The mount tables of other mount namespaces, each once."""
        seen = {_inode(f"{self.places.proc}/self/ns/mnt")}
        for pid in pids:
            inode = _inode(f"{self.places.proc}/{pid}/ns/mnt")
            if inode not in seen:
                seen.add(inode)
                self._look_at_mounts(f"{self.places.proc}/{pid}/mountinfo", f"{self.places.proc}/{pid}/root")

    def _look_at_threads(self, pids: list[int]) -> None:
        """Threads of several-threaded processes; a process's directory of tasks has two links more than threads."""
        for pid in pids:
            folder = f"{self.places.proc}/{pid}/task"
            try:
                if os.stat(folder).st_nlink <= 3:
                    continue
                for name in os.listdir(folder):
                    self._hold(self._see(f"{folder}/{name}/ns/net"), pid)
            except OSError:
                continue  # it ended, or its own namespace was unreadable before

    def _look_at_descriptors(self, pids: list[int]) -> None:
        looked = 0
        for pid in pids:
            folder = f"{self.places.proc}/{pid}/fd"
            names = _names(folder)
            looked += len(names)
            if looked > DESCRIPTORS_LOOKED_AT:
                self.diagnostics.note(
                    "descriptors-not-searched",
                    f"more than {DESCRIPTORS_LOOKED_AT} open descriptors: not all were searched for namespaces",
                )
                return
            for name in names:
                path = f"{folder}/{name}"
                try:
                    target = os.readlink(path)
                    if target.startswith("net:[") or (target == DETACHED and self._is_namespace(path)):
                        self._hold(self._see(path), pid)
                except OSError:
                    continue

    def _hold(self, found: Found | None, pid: int) -> None:
        if found is not None and found is not self.home.get(pid) and pid not in found.holders:
            found.holders.append(pid)

    def _unreadable(self, path: str) -> None:
        self.diagnostics.note(
            "netns-hidden",
            "processes or files whose namespace may not be looked at: it may be one not listed here",
            severity="info",
            example=path,
            advice="run as root, outside any container",
        )


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _inode(path: str) -> int:
    """Its inode number, 0 where it can't be had."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def _unescaped(path: str) -> str:
    r"""The path of a mountinfo line: space, tab, newline and backslash are \ooo there."""
    parts = path.split("\\")
    return parts[0] + "".join(
        chr(int(part[:3], 8)) + part[3:] if part[:3].isdigit() and len(part) >= 3 else "\\" + part for part in parts[1:]
    )
