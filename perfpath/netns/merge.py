"""Looks at a changing host, put together: everything that ever stood there, and when.

A look sees what is there at that moment. What one look saw and the one before did not was born somewhere in between,
what it saw no more went in between; the times kept are the widest that fit, since a packet may be placed wherever
something *may* have been.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from perfpath.netns.inventory import Inventory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from perfpath.netns.inventory import Interface, Namespace

BY_CHANCE = {"none": 4, "mount": 3, "process": 1}
ID, BY_ID = re.compile(r"[0-9a-f]{12}"), 2  # of a container whose name isn't known, or of docker's own file for it


def merge(old: Inventory, new: Inventory, *, deeper: bool = False) -> Inventory:
    """All of `old`, brought up to date by a later look.

    deeper: the later look also looked where the earlier did not, so what it adds may always have been there.
    Of an interface that changed its name, kind, master or other end both versions are kept, the older one gone. The
    gone come first, so that look-ups by inode number or ifindex find what is there now.
    """
    since, until = None if deeper else old.taken_ns, new.done_ns or new.taken_ns
    living = {namespace.inum: namespace for namespace in old.namespaces if namespace.gone_ns is None}
    gone = [namespace for namespace in old.namespaces if namespace.gone_ns is not None]
    there: list[Namespace] = []
    for namespace in new.namespaces:
        before = living.get(namespace.inum)
        if before is None or not _is_same(before, namespace):
            there.append(replace(namespace, born_ns=since))
        else:
            there.append(_updated(before, namespace, since, until))
            del living[namespace.inum]
    gone += [replace(namespace, gone_ns=until) for namespace in living.values()]
    return Inventory((*gone, *there), new.taken_ns, new.done_ns)


def by_chance(namespace: Namespace) -> int:
    """How little is in a name that a namespace has before somebody names it, or after its processes ended; else 0."""
    return BY_CHANCE.get(namespace.origin, BY_ID if ID.fullmatch(namespace.name) else 0)


def _is_same(old: Namespace, new: Namespace) -> bool:
    """Inode numbers are given out again; cookies never are, but aren't always known."""
    return old.dev == new.dev and (old.cookie == new.cookie or not (old.cookie and new.cookie))


def _updated(old: Namespace, new: Namespace, since: int | None, until: int | None) -> Namespace:
    better = old if by_chance(new) > by_chance(old) else new
    return replace(
        new,
        name=better.name,
        origin=better.origin,
        pids=tuple(sorted({*old.pids, *new.pids})),
        born_ns=old.born_ns,
        interfaces=_interfaces(old.interfaces, new.interfaces, since, until) if new.readable else old.interfaces,
        cookie=new.cookie or old.cookie,
        readable=old.readable or new.readable,
    )


def _interfaces(
    old: Iterable[Interface], new: Iterable[Interface], since: int | None, until: int | None
) -> tuple[Interface, ...]:
    gone = [interface for interface in old if interface.gone_ns is not None]
    living = {interface.ifindex: interface for interface in old if interface.gone_ns is None}
    there: list[Interface] = []
    for interface in new:
        before = living.get(interface.ifindex)
        if before is None or _differs(before, interface):
            there.append(replace(interface, born_ns=since))
            continue
        del living[interface.ifindex]
        ends = interface if interface.peer else before  # an end that is gone or unseen by now: it never had another
        there.append(
            replace(
                interface,
                born_ns=before.born_ns,
                peer=ends.peer,
                peer_netns=ends.peer_netns,
                lower_netns=interface.lower_netns or before.lower_netns,
            )
        )
    return (*(replace(interface, gone_ns=until) for interface in living.values()), *gone, *there)


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
