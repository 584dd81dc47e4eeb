"""Looks at a changing host, put together: everything that ever stood there, and when.

A look sees what is there at that moment. What one look saw and the one before did not was born somewhere in between,
what it saw no more went in between; the times kept are the widest that fit, since a packet may be placed wherever
something *may* have been.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from perfpath.netns.inventory import Interface, Inventory, Namespace

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

Thing = TypeVar("Thing", Interface, Namespace)

BY_CHANCE = {"none": 4, "mount": 3, "process": 1}
ID, BY_ID = re.compile(r"[0-9a-f]{12}"), 2  # of a container whose name isn't known, or of docker's own file for it


@dataclass(frozen=True, slots=True)
class Times:
    """Of two looks. born: what the later one adds may be as old as that, None for any age; until: the later one's end.

    since: the earlier look saw what there was then; quiet: in the namespaces `heard` that was so until this time, too.
    """

    born: int | None
    since: int | None
    until: int | None
    quiet: int | None = None
    heard: Container[int] = ()

    def last(self, netns: int) -> int | None:
        """Until when there certainly was what the later look misses in a namespace."""
        return self.quiet if self.quiet is not None and netns in self.heard else self.since


def merge(
    old: Inventory, new: Inventory, *, deeper: bool = False, quiet: int | None = None, heard: Container[int] = ()
) -> Inventory:
    """All of `old`, brought up to date by a later look.

    deeper: the later look also looked where the earlier did not, so what it adds may always have been there.
    quiet: until then nothing was heard of changes in the namespaces `heard`, in which changes are.
    Of an interface that changed its name, kind, master or other end both versions are kept, the older one gone. The
    gone come first, so that look-ups by inode number or ifindex find what is there now. Where anything came or went
    there may have been more in between: that is a gap.
    """
    times = Times(None if deeper else old.taken_ns, old.taken_ns, new.done_ns or new.taken_ns, quiet, heard)
    living = {namespace.inum: namespace for namespace in old.namespaces if namespace.gone_ns is None}
    gone = [namespace for namespace in old.namespaces if namespace.gone_ns is not None]
    there: list[Namespace] = []
    for namespace in new.namespaces:
        before = living.get(namespace.inum)
        if before is None or not _is_same(before, namespace):
            there.append(_came(namespace, times))
        else:
            there.append(_updated(before, namespace, times))
            del living[namespace.inum]
    gone += [_went(namespace, namespace.inum, times) for namespace in living.values()]
    merged = Inventory((*gone, *there), new.taken_ns, new.done_ns, old.gaps)
    if new.gaps:
        return with_gap(merged, old.taken_ns, times.until)
    if times.until is None or not (changed := _changed(merged, times.until)):
        return merged
    narrow = quiet is not None and all(came or space.inum in heard for space, came in changed)
    return with_gap(merged, quiet if narrow else old.taken_ns, times.until)


def with_gap(inventory: Inventory, since: int | None, until: int | None) -> Inventory:
    """The inventory with a time in which there may have been what it lacks."""
    if (
        since is None
        or until is None
        or (inventory.gaps and inventory.gaps[-1][0] <= since <= until <= inventory.gaps[-1][1])
    ):
        return inventory
    return replace(inventory, gaps=(*inventory.gaps, (since, until)))


def _changed(merged: Inventory, at: int) -> list[tuple[Namespace, bool]]:
    """The namespaces that the look that was done then found changed, and whether they are new."""
    found = []
    for space in merged.namespaces:
        came = space.first_ns == at
        if came or space.gone_ns == at or any(at in (each.first_ns, each.gone_ns) for each in space.interfaces):
            found.append((space, came))
    return found


def by_chance(namespace: Namespace) -> int:
    """How little is in a name that a namespace has before somebody names it, or after its processes ended; else 0."""
    return BY_CHANCE.get(namespace.origin, BY_ID if ID.fullmatch(namespace.name) else 0)


def _is_same(old: Namespace, new: Namespace) -> bool:
    """Inode numbers are given out again; cookies never are, but aren't always known."""
    return old.dev == new.dev and (old.cookie == new.cookie or not (old.cookie and new.cookie))


def _came(each: Thing, times: Times) -> Thing:
    return each if times.born is None else replace(each, born_ns=times.born, first_ns=times.until)


def _went(each: Thing, netns: int, times: Times) -> Thing:
    return replace(each, gone_ns=times.until, last_ns=times.last(netns))


def _updated(old: Namespace, new: Namespace, times: Times) -> Namespace:
    better = old if by_chance(new) > by_chance(old) else new
    return replace(
        new,
        name=better.name,
        origin=better.origin,
        pids=tuple(sorted({*old.pids, *new.pids})),
        born_ns=old.born_ns,
        first_ns=old.first_ns,
        interfaces=_interfaces(old.interfaces, new, times) if new.readable else old.interfaces,
        cookie=new.cookie or old.cookie,
        readable=old.readable or new.readable,
    )


def _interfaces(old: Iterable[Interface], new: Namespace, times: Times) -> tuple[Interface, ...]:
    gone = [interface for interface in old if interface.gone_ns is not None]
    living = {interface.ifindex: interface for interface in old if interface.gone_ns is None}
    there: list[Interface] = []
    for interface in new.interfaces:
        before = living.get(interface.ifindex)
        if before is None or _differs(before, interface):
            there.append(_came(interface, times))
            continue
        del living[interface.ifindex]
        same = interface.peer or interface.mac != before.mac
        ends = interface if same else before  # an end that is gone or unseen by now: it never had another
        there.append(
            replace(
                interface,
                born_ns=before.born_ns,
                first_ns=before.first_ns,
                peer=ends.peer,
                peer_netns=ends.peer_netns,
                lower_netns=interface.lower_netns or before.lower_netns,
            )
        )
    return (*(_went(interface, new.inum, times) for interface in living.values()), *gone, *there)


def _differs(old: Interface, new: Interface) -> bool:
    """Whether packets may go another way, or by another name, through what has the same ifindex.

    What a new interface still lacked (a master, a known other end) isn't a difference.
    """
    return (
        (old.name, old.kind) != (new.name, new.kind)
        or (old.master not in {0, new.master})
        or (old.lower, old.lower_netns or new.lower_netns) != (new.lower, new.lower_netns or old.lower_netns)
        or (bool(old.peer and new.peer) and (old.peer, old.peer_netns) != (new.peer, new.peer_netns))
    )
