"""Interfaces that the kernel told of and no look saw: they came and went between two looks.

A container may live shorter than it takes to look again. Nobody read what was in it, but the kernel tells of every
interface that goes up, also of the host's end of its pair. That end is kept in the inventory, as one whose other end
nobody knows: what came through it is then unknown, instead of being taken for another container's of the same names.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from perfpath.netns.inventory import Interface
from perfpath.netns.links import IFINFO, STACKED, Link, link_from
from perfpath.netns.netlink import MalformedError, messages

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from perfpath.netns.inventory import Inventory, Namespace

RTM_NEWLINK, RTM_NEWADDR, RTM_DELADDR = 16, 20, 21
AF_UNSPEC = 0  # a bridge tells of its ports in messages of its own family, which leave most out


@dataclass(frozen=True, slots=True)
class Heard:
    """A link that was up. nsid: the number of its namespace, as the listener's own calls it."""

    nsid: int
    link: Link

    @property
    def key(self) -> tuple[int, int, str]:
        """What makes it another one."""
        return self.nsid, self.link.ifindex, self.link.name


def links_up(datagram: bytes) -> list[Link]:
    """The links that a datagram of the kernel's says are up; what isn't as rtnetlink.h says is left out."""
    found = []
    with contextlib.suppress(MalformedError):
        for kind, _, _, body in messages(datagram):
            if kind == RTM_NEWLINK and len(body) >= IFINFO.size and IFINFO.unpack_from(body)[0] == AF_UNSPEC:
                found.append(link_from(body))
    return [link for link in found if link.up and link.name]


def with_unseen(
    inventory: Inventory, heard: Iterable[Heard], meaning: Callable[[int], Collection[int]], since: int | None
) -> Inventory:
    """The inventory with the links that were heard of and that it lacks.

    meaning: the inode numbers of the namespaces that a number may stand for. since: when the first word of these can
    have come (CLOCK_MONOTONIC); they were gone at the latest when the inventory's last look was done.
    """
    words = {each.key: each for each in heard}
    missed: dict[int, list[Link]] = {}
    for each in words.values():
        for inum in meaning(each.nsid):
            missed.setdefault(inum, []).append(each.link)
    if not missed:
        return inventory
    spaces = [
        _completed(space, missed.get(space.inum, ()), since, inventory.done_ns) if _there(space, since) else space
        for space in inventory.namespaces
    ]
    return replace(inventory, namespaces=tuple(spaces))


def tells_more(datagram: bytes) -> bool:
    """Whether it tells of more than that a link is there and what its addresses are: of an end, or of a namespace."""
    try:
        return any(kind not in {RTM_NEWLINK, RTM_NEWADDR, RTM_DELADDR} for kind, _, _, _ in messages(datagram))
    except MalformedError:
        return True


def all_known(inventory: Inventory, heard: Iterable[Heard], meaning: Callable[[int], Collection[int]]) -> bool:
    """Whether the inventory has all these links."""
    seen = {(space.inum, each.ifindex, each.name) for space in inventory.namespaces for each in space.interfaces}
    return all(any((inum, each.link.ifindex, each.link.name) in seen for inum in meaning(each.nsid)) for each in heard)


def _completed(space: Namespace, links: Iterable[Link], since: int | None, until: int | None) -> Namespace:
    known = {(each.ifindex, each.name) for each in space.interfaces if _there(each, since)}
    new = [_unseen(space.inum, link, since, until) for link in links if (link.ifindex, link.name) not in known]
    return replace(space, interfaces=(*new, *space.interfaces)) if new else space


def _unseen(inum: int, link: Link, since: int | None, until: int | None) -> Interface:
    """What is certain of it: a bridge it may have been a port of, and its other end, would have to be looked up."""
    below = link.link if link.kind in STACKED and link.nsid is None else 0
    return Interface(
        inum,
        link.ifindex,
        link.name,
        link.kind,
        link.mac,
        link.mtu,
        lower=below,
        lower_netns=inum if below else 0,
        details=link.details,
        born_ns=since,
        gone_ns=until,
    )


def _there(each: Namespace | Interface, since: int | None) -> bool:
    """Whether it can have been there since then."""
    return each.gone_ns is None or since is None or each.gone_ns > since
