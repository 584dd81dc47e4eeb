"""Looking into namespaces: links, addresses and numbers, each read from inside.

Everything here runs in a thread of its own (`enter.aside`), since it leaves the thread in the namespace looked at last.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import TYPE_CHECKING

from perfpath.netns.enter import enter
from perfpath.netns.links import Link, read_addresses, read_link_of, read_links, read_nsid
from perfpath.netns.netlink import Netlink
from perfpath.netns.peers import Atlas, Look

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from perfpath.netns.find import Found, Places

SO_NETNS_COOKIE = 71  # include/uapi/asm-generic/socket.h, since 5.14; 0x0038 on sparc, 0x4045 on parisc


class Looker:
    """Looks into the namespaces that were found; those it couldn't are in `failed` with the reason."""

    def __init__(self, found: Mapping[int, Found], places: Places, own: int) -> None:
        self.found = found
        self.places = places
        self.own = own
        self.failed: dict[int, OSError] = {}
        self.cpu = 0.0  # seconds this took
        self._paths: dict[int, str] = {}
        self._here = own  # where this thread is

    def look(self, known: Mapping[int, Look] | None = None) -> Atlas:
        """Read all namespaces; of `known` ones that are still the same the earlier look serves."""
        looks: list[Look] = []
        for inum in self.found:
            try:
                looks.append(self._read(inum, (known or {}).get(inum)))
            except OSError as error:
                self.failed[inum] = error
        atlas = Atlas(looks)
        for inum in atlas.looks:
            if atlas.numbers(inum):
                self._resolve(atlas, inum)
        self.cpu = time.thread_time()  # of a thread that does nothing else
        return atlas

    def _read(self, inum: int, known: Look | None) -> Look:
        self._go(inum)
        with Netlink() as netlink:
            cookie = _cookie(netlink.socket)
            if known is not None and cookie and known.cookie == cookie:
                return known
            initial = _is_initial() if inum == self.own or 1 in self.found[inum].pids[:1] else None
            return Look(inum, read_links(netlink), read_addresses(netlink), cookie, initial)

    def _resolve(self, atlas: Atlas, inum: int) -> None:
        try:
            self._go(inum)
            with Netlink() as netlink:
                atlas.resolve(inum, _Inside(netlink, self._path_of))
        except OSError as error:  # it went away meanwhile: what it pointed to stays unknown
            self.failed.setdefault(inum, error)

    def _go(self, inum: int) -> None:
        """Move this thread there, by the first path that still names that namespace. Raises OSError."""
        if inum == self._here:
            return
        problem: OSError | None = None
        for path in self._paths_of(inum):
            try:
                enter(path, inum)
            except OSError as error:
                problem = problem or error
                continue
            self._paths[inum], self._here = path, inum
            return
        raise problem or FileNotFoundError(2, "nothing names it any more")

    def _paths_of(self, inum: int) -> Sequence[str]:
        if inum in self._paths:
            return [self._paths[inum]]
        return list(self.found[inum].paths(self.places))

    def _path_of(self, inum: int) -> str:
        return self._paths_of(inum)[0]


class _Inside:
    """The questions of `Atlas`, put to the kernel through a socket in the namespace that asks."""

    def __init__(self, netlink: Netlink, path_of: Callable[[int], str]) -> None:
        self.netlink = netlink
        self.path_of = path_of

    def nsid_of(self, inum: int) -> int | None:
        """This namespace's number for that one, None for none."""
        try:
            return read_nsid(self.netlink, self.path_of(inum), inum)
        except OSError:  # that namespace is gone
            return None

    def link_of(self, nsid: int, ifindex: int) -> Link | None:
        """The link in the namespace of this number, None where the kernel doesn't tell."""
        try:
            return read_link_of(self.netlink, nsid, ifindex)
        except OSError:
            return None


def _is_initial() -> bool | None:
    """Whether this thread is in the kernel's initial namespace, None where /proc/sys doesn't tell.

    Settings of the whole kernel are in /proc/sys/net only there; those of each namespace are everywhere
    (net/core/sysctl_net_core.c: net_core_table, netns_core_table).
    """
    if not os.access("/proc/sys/net/core/somaxconn", os.F_OK):
        return None
    return os.access("/proc/sys/net/core/netdev_max_backlog", os.F_OK)


def _cookie(endpoint: socket.socket) -> int:
    """The number of the socket's namespace that no other ever gets, 0 where the kernel has none."""
    try:
        return int.from_bytes(endpoint.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), sys.byteorder)
    except OSError:
        return 0
