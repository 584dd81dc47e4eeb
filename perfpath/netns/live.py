"""The inventory of this host, from the kernel, now.

What a look costs (2 cores): an ordinary host with 10 namespaces a few ms, 500 namespaces about 0.2 s.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfpath.diagnostics import Diagnostics
from perfpath.errors import InventoryError
from perfpath.netns.containers import Runtimes
from perfpath.netns.enter import aside
from perfpath.netns.find import Finder, Found, Places
from perfpath.netns.inventory import Inventory, Namespace
from perfpath.netns.look import Looker
from perfpath.netns.names import Names

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from perfpath.netns.peers import Atlas, Look


INITIAL_INUM = 0xEFFFFFF9  # NET_NS_INIT_INO of include/uapi/linux/nsfs.h, since 6.18; lower than any made later


@dataclass(slots=True)
class Snapshot:
    """An inventory with what it was made of, so that the next one needs to read only what changed.

    own: the inode of the looker's namespace. meaning: (inode, its number for another) -> that one's inode.
    cpu: seconds of CPU time the look took.
    """

    inventory: Inventory
    own: int
    looks: Mapping[int, Look]
    meaning: Mapping[tuple[int, int], int]
    cpu: float


def current_inum() -> int:
    """The inode number of the calling thread's network namespace. Raises InventoryError."""
    path = Places().own()
    try:
        return os.stat(path).st_ino  # noqa: PTH116 - start-up needs no pathlib
    except OSError as error:
        raise InventoryError(f"{path} can't be read ({error.strerror}): is /proc mounted?") from error


def take(
    diagnostics: Diagnostics | None = None,
    *,
    thorough: bool = False,
    places: Places | None = None,
    runtimes: Runtimes | None = None,
) -> Inventory:
    """All network namespaces of this host with their interfaces.

    Without root what can be seen is given, and `diagnostics` say what is missing: namespaces that could not be looked
    into have `readable` False. thorough: also find namespaces that only a thread, a descriptor or another mount
    namespace holds, and ask container runtimes for names; ten times slower.
    Raises InventoryError where /proc is not mounted.
    """
    return snapshot(diagnostics, thorough=thorough, places=places, runtimes=runtimes).inventory


def snapshot(
    diagnostics: Diagnostics | None = None,
    *,
    thorough: bool = False,
    places: Places | None = None,
    runtimes: Runtimes | None = None,
    before: Snapshot | None = None,
    changed: Container[int] | None = None,
) -> Snapshot:
    """The same as `take`; namespaces of `before` whose inode is not in `changed` are not read again (None: all are)."""
    diagnostics = Diagnostics() if diagnostics is None else diagnostics
    places = places or Places()
    taken_ns, cpu = time.monotonic_ns(), time.thread_time()
    finder = Finder(places, diagnostics)
    if finder.own is None:
        raise InventoryError(f"{places.own()} can't be read: is /proc mounted, and may this user read it?")
    remembered = [] if before is None else [namespace.path for namespace in before.inventory.namespaces]
    found = {each.inum: each for each in finder.look(remembered, thorough=thorough).values()}
    known = {}
    if before is not None and changed is not None:
        known = {inum: look for inum, look in before.looks.items() if inum not in changed}
    looker = Looker(found, places, finder.own.inum)
    atlas = aside(lambda: looker.look(known))
    _note_failures(looker.failed, atlas, diagnostics)
    names = Names(places, runtimes or Runtimes(), _host(found, atlas, diagnostics), diagnostics, ask=thorough)
    namespaces = [_namespace(each, atlas, names, places) for each in found.values() if _is_there(each, atlas, looker)]
    done_ns = time.monotonic_ns()
    missed = any(not isinstance(error, PermissionError) for error in looker.failed.values())
    gaps = ((taken_ns, done_ns),) if missed else ()
    inventory = Inventory(tuple(sorted(namespaces, key=_order)), taken_ns, done_ns, gaps)
    cpu = time.thread_time() - cpu + looker.cpu
    return Snapshot(inventory, finder.own.inum, atlas.looks, atlas.meaning, cpu)


def _host(found: Mapping[int, Found], atlas: Atlas, diagnostics: Diagnostics) -> int:
    """The inode of the host's namespace: the kernel's initial one; 0 where that isn't to be seen.

    Inside a container pid 1 is the container's own, and calling its namespace the host's would be wrong.
    """
    if INITIAL_INUM in found:
        return INITIAL_INUM
    for look in atlas.looks.values():
        if look.initial:
            return look.inum
    first = next((inum for inum, each in found.items() if 1 in each.pids), 0)
    if first in atlas.looks and atlas.looks[first].initial is None:
        return first
    diagnostics.note(
        "no-host",
        "the host's own namespace is not to be seen from here: this is a container",
        severity="info",
        advice="run on the host, or in a container with the host's pid namespace",
    )
    return 0


def _is_there(found: Found, atlas: Atlas, looker: Looker) -> bool:
    """False for what went away between being found and being looked into, or was no network namespace at all."""
    return found.inum in atlas.looks or isinstance(looker.failed.get(found.inum), PermissionError)


def _namespace(found: Found, atlas: Atlas, names: Names, places: Places) -> Namespace:
    look = atlas.looks.get(found.inum)
    name, origin = names.of(found)
    return Namespace(
        found.inum,
        name,
        origin,
        found.dev,
        next(found.paths(places)),
        tuple(found.pids),
        interfaces=() if look is None else atlas.interfaces(found.inum),
        cookie=0 if look is None else look.cookie,
        readable=look is not None,
    )


def _order(namespace: Namespace) -> tuple[bool, str, int]:
    return namespace.origin != "host", namespace.name, namespace.inum


def _note_failures(failed: Mapping[int, OSError], atlas: Atlas, diagnostics: Diagnostics) -> None:
    for inum, error in failed.items():
        if isinstance(error, PermissionError):
            diagnostics.note(
                "netns-unreadable",
                "namespaces that may not be looked into: their interfaces are missing",
                example=f"net:[{inum}]: {error.strerror}",
                advice="run as root",
            )
        elif not isinstance(error, FileNotFoundError) or inum in atlas.looks:
            diagnostics.note(
                "netns-changed",
                "namespaces that went away or changed while they were looked at",
                severity="info",
                example=f"net:[{inum}]: {error.strerror}",
            )
