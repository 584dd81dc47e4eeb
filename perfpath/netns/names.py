"""What people call a namespace: host, its `ip netns` name, its container or pod, else the process that lives there."""

# Start-up needs no pathlib:
# ruff: noqa: PTH116, PTH119

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from perfpath.netns.containers import Containers, container_of
from perfpath.netns.keepers import parent, read

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics
    from perfpath.netns.containers import Runtimes
    from perfpath.netns.find import Found, Places

MANY = 16  # processes at each end of the order
GONE = 1 << 63
GENERATIONS = 100  # of processes in a container that are looked at
# What containerd, podman and CRI-O call their files in /run/netns: nobody calls a namespace that.
MACHINE_MADE = re.compile(r"(?:(?:cni|netns)-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class Names:
    """Names for the namespaces of one look. host: the inode of the host's namespace, 0 where it isn't among them."""

    def __init__(
        self, places: Places, runtimes: Runtimes, host: int, diagnostics: Diagnostics, *, ask: bool = False
    ) -> None:
        self.places = places
        self.host = host
        self.containers = Containers(runtimes, diagnostics, ask=ask, proc=places.proc)

    def of(self, found: Found) -> tuple[str, str]:
        """(name, origin) of a namespace, as `Namespace` has them."""
        if found.inum == self.host:
            return "host", "host"
        chosen = [name for name in found.iproute if not MACHINE_MADE.match(name)]
        if chosen:
            return chosen[0], "ip netns"
        named = self._container(found)
        if named is not None:
            return named
        if found.pids:
            return self._process(self._oldest(found.pids)), "process"
        return self._of_nobody(found)

    def _container(self, found: Found) -> tuple[str, str] | None:
        if not found.pids:
            return None
        pid = self._oldest(found.pids)
        cgroup = self._cgroup(pid)
        if self._is_inner(pid, cgroup, found):
            return self.containers.kept(pid) or (f"{self._process(pid)} in {self._outer(pid, cgroup)}", "process")
        return self.containers.of(pid, cgroup)

    def _is_inner(self, pid: int, cgroup: str, found: Found) -> bool:
        """Whether it is a namespace that was made in a container, which has its own: its maker is in both."""
        maker, container = parent(self.places.proc, pid), container_of(cgroup)
        if container is None or container != container_of(self._cgroup(maker)):
            return False
        try:
            return os.stat(f"{self.places.proc}/{maker}/ns/net").st_ino != found.inum
        except OSError:
            return False

    def _outer(self, pid: int, cgroup: str) -> str:
        """The name of the container, by the first of its processes, from which this one descends."""
        for _ in range(GENERATIONS):
            maker = parent(self.places.proc, pid)
            if container_of(self._cgroup(maker)) != container_of(cgroup):
                break
            pid = maker
        named = self.containers.of(pid, cgroup)
        return "" if named is None else named[0]

    def _cgroup(self, pid: int) -> str:
        return read(f"{self.places.proc}/{pid}/cgroup")

    def _oldest(self, pids: list[int]) -> int:
        """The process that stands for all: others may have been moved in, as a side-car joins another's network.

        Numbers begin anew when they run out, so that the oldest need not have the lowest. Of very many only those at
        both ends are looked at.
        """
        several = pids if len(pids) <= 2 * MANY else pids[:MANY] + pids[-MANY:]
        return several[0] if len(several) == 1 else min(several, key=self._started)

    def _started(self, pid: int) -> int:
        """When a process was started, in ticks (field 22 of proc_pid_stat(5)); late for one that is gone."""
        fields = read(f"{self.places.proc}/{pid}/stat").rpartition(")")[2].split()
        return int(fields[19]) if len(fields) > 19 and fields[19].isdigit() else GONE

    def _of_nobody(self, found: Found) -> tuple[str, str]:
        """A name where no process lives: the file that holds it, or the process that does.

        A container's is first seen so, before its process is there, and last, when it is gone (`merge.by_chance`).
        """
        if found.iproute:
            return found.iproute[0], "mount"
        if found.docker:  # a sandbox of docker's own, such as an overlay network's
            return found.docker[0], "docker"
        if found.mounts:
            return os.path.basename(found.mounts[0]), "mount"
        if found.holders:
            return f"held by {self._process(found.holders[0])}", "none"
        return f"net:[{found.inum}]", "none"

    def _process(self, pid: int) -> str:
        return f"{read(f'{self.places.proc}/{pid}/comm').removesuffix(chr(10)) or 'pid'}[{pid}]"
