"""What people call the place of a hop, and the namespaces it might be in."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from perfpath.escape import visible

if TYPE_CHECKING:
    from perfpath.netns.inventory import Inventory

UNKNOWN = "?"
CANDIDATES_SHOWN = 3


class Candidate(NamedTuple):
    """A namespace that a hop may have been in; name None where nobody knows it."""

    inum: int
    name: str | None


class Namer:
    """Names of namespaces: the hop's own, else the inventory's, else the inode number."""

    def __init__(self, inventory: Inventory | None = None) -> None:
        self._names = {space.inum: space.name for space in inventory.namespaces} if inventory else {}
        self._spaces = inventory.by_inum if inventory else {}

    def label(self, netns: int, name: str | None) -> str:
        """What to show for a namespace; `?` where it isn't known."""
        if name:
            return visible(name)
        if not netns:
            return UNKNOWN
        return visible(self._names.get(netns) or str(netns))

    def enter(self, netns: int, name: str | None = None) -> str:
        """What to put before a command to run it in a namespace: `ip netns exec web `; "" on the host.

        Where nobody knows how to get into it, words in parentheses say where: `(in ns-1) `.
        """
        space = self._spaces.get(netns)
        if space is None:
            return f"(in {self.label(netns, name) if netns or name else 'its namespace'}) "
        if space.origin == "host":
            return ""
        if space.origin == "ip netns":
            return f"ip netns exec {shlex.quote(space.name)} "
        if space.pids:
            return f"nsenter -t {space.pids[0]} -n "
        return f"nsenter --net={shlex.quote(space.path)} " if space.path else f"(in {self.label(netns, name)}) "

    def candidates(self, text: str | None) -> list[Candidate]:
        """The entries of a `candidates` cell."""
        inums = [int(part) for part in text.split(",")] if text else []
        return [Candidate(inum, self._names.get(inum)) for inum in inums]

    def doubt(self, text: str | None) -> str:
        """A `candidates` cell in words: `could be web, db or 5 others`; "" where there are none."""
        found = [self.label(candidate.inum, candidate.name) for candidate in self.candidates(text)]
        if not found:
            return ""
        shown, rest = found[:CANDIDATES_SHOWN], len(found) - CANDIDATES_SHOWN
        if rest > 0:
            return f"could be {', '.join(shown)} or {rest} other{'s' if rest > 1 else ''}"
        return "could be " + " or ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
