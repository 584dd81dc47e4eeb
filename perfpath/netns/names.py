"""What people call a namespace: host, its `ip netns` name, its container or pod, else the process that lives there."""

# Start-up needs no pathlib:
# ruff: noqa: PTH119, PTH123

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from perfpath.netns.containers import Containers, container_of

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics
    from perfpath.netns.containers import Runtimes
    from perfpath.netns.find import Found, Places

# What CNI plugins and podman call their files in /run/netns: nobody calls a namespace that.
MACHINE_MADE = re.compile(r"(?:cni|netns)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class Names:
    """Names for the namespaces of one look. host: the inode of the host's namespace, 0 where it isn't among them."""

    def __init__(
        self, places: Places, runtimes: Runtimes, host: int, diagnostics: Diagnostics, *, ask: bool = False
    ) -> None:
        self.places = places
        self.host = host
        self.containers = Containers(runtimes, diagnostics, ask=ask)

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
        if found.iproute:
            return found.iproute[0], "ip netns"
        if found.pids:
            return self._process(found.pids[0]), "process"
        return self._of_nobody(found)

    def _container(self, found: Found) -> tuple[str, str] | None:
        for pid in found.pids[:1]:  # the oldest stands for all: others may have been moved in from elsewhere
            container = container_of(_read(f"{self.places.proc}/{pid}/cgroup"))
            if container is not None:
                return self.containers.name(*container)
        return None

    def _of_nobody(self, found: Found) -> tuple[str, str]:
        """A name where no process lives: the file that holds it, or the process that does."""
        if found.docker:  # a sandbox of docker's own, such as an overlay network's
            return found.docker[0], "docker"
        if found.mounts:
            return os.path.basename(found.mounts[0]), "mount"
        if found.holders:
            return f"held by {self._process(found.holders[0])}", "none"
        return f"net:[{found.inum}]", "none"

    def _process(self, pid: int) -> str:
        return f"{_read(f'{self.places.proc}/{pid}/comm').removesuffix(chr(10)) or 'pid'}[{pid}]"


def _read(path: str) -> str:
    """A small file of /proc, "" where it is gone."""
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.read(65536))
    except OSError:
        return ""
