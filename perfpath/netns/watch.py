"""Noticing what changes on the host while packets are traced.

The kernel tells of most changes at once: rtnetlink says which links, addresses and namespace numbers come and go, in
this namespace and in every one it has a number for (NETLINK_LISTEN_ALL_NSID), and /proc/self/mountinfo becomes ready
when a file is bound to a namespace (`ip netns add`, a container's start). Each such word leads to another look, soon,
but never so often that looking takes more than a fifth of one CPU. Links that went before anybody looked are kept as
far as the word itself tells (`heard`). What nobody tells of, such as a namespace deep inside another without a link to
here, is found by looking now and then. From the last time that it was quiet to the end of the look that follows there
may have been what nobody saw: where more was told than the look explains, that time is one of the inventory's gaps.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Self

from perfpath.diagnostics import Diagnostics
from perfpath.errors import PerfpathError
from perfpath.netns.heard import Heard, all_known, links_up, tells_more, with_unseen
from perfpath.netns.live import Snapshot, snapshot
from perfpath.netns.merge import by_chance, merge, with_gap

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from perfpath.netns.find import Places
    from perfpath.netns.inventory import Inventory, Namespace

# include/uapi/linux/netlink.h and rtnetlink.h: the groups of links, addresses and namespace numbers.
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NETLINK_LISTEN_ALL_NSID = 270, 1, 8
GROUPS = (1, 5, 9, 28)  # RTNLGRP_LINK, _IPV4_IFADDR, _IPV6_IFADDR, _NSID
RECEIVE = 64 * 1024
SO_RCVBUFFORCE, WAITING = 33, 32 << 20  # include/uapi/asm-generic/socket.h; words may wait as long as a look takes

SHARE = 4  # a look that took t of CPU time is followed by a pause of 4 t at least: a fifth of one CPU
IDLE_SHARE = 100  # where nobody says anything, by one of 100 t
AT_LEAST, IDLE_AT_LEAST = 0.01, 1.0  # seconds
NAMELESS_NS = 3_000_000_000  # so long after a namespace came its container's process is waited for
SOON = 0.03  # seconds between two looks for it
QUIET = 0.05  # seconds after which what nobody tells of is known to be as it was
NEVER_ENDS = 2**63 - 1

HERE, ANY = -1, -2  # what stands for this namespace's own number, and for not knowing which


class Watcher:
    """Keeps an inventory up to date from a thread of its own, until it is closed.

    inventory: everything seen so far, replaced as a whole at each look. version: grows with each look that found
    something other than before (processes that come and go don't count). diagnostics: why watching ended early, if so.
    The first look is a thorough one, and so finds what `take` left out for speed. Closing takes a last look and leaves
    no thread and no descriptor behind. Raises OSError where the kernel gives no socket.
    """

    def __init__(self, first: Inventory, places: Places | None = None) -> None:
        self.inventory = first
        self.version = 0
        self.looks = 0
        self.diagnostics = Diagnostics()
        self._places = places
        self._last: Snapshot | None = None
        self._pause = 0.0
        self._looking = False
        self._closing, self._close = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._ears = Ears(self._closing)
        self._thread = threading.Thread(target=self._run, name="perfpath-watch", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def known_ns(self) -> int:
        """Until when the inventory is complete, but for its gaps: nothing was told since the last look began."""
        quiet_ns = self._ears.quiet_ns
        return max(self.inventory.taken_ns or 0, 0 if self._looking else quiet_ns)

    def close(self) -> None:
        """Look a last time and end. May be called again."""
        if self._thread.is_alive():
            os.write(self._close, b"x")
        self._thread.join()
        if self._close >= 0:
            self._ears.close()
            os.close(self._closing)
            os.close(self._close)
            self._close = -1

    def _run(self) -> None:
        try:
            self._ears.hear()
            self._look(None, thorough=True)
            while not self._ears.closing(self._pause * SHARE + AT_LEAST):
                nameless = self._nameless()
                idle = self._pause * IDLE_SHARE + IDLE_AT_LEAST
                heard = self._ears.wait(SOON if nameless else idle)
                if heard is None:
                    break
                self._look(self._changed(heard) if heard or nameless else None)
            self._ears.hear()
            self._look(None)
        except (PerfpathError, OSError) as error:
            self.diagnostics.note(
                "watch-ended", "changes of namespaces during the capture were not all noticed", example=str(error)
            )
            self.inventory = with_gap(self.inventory, self.inventory.taken_ns, NEVER_ENDS)
            self.version += 1

    def _nameless(self) -> bool:
        """Whether a namespace is so new that its container's process, which gives it its name, may still come."""
        since = time.monotonic_ns() - NAMELESS_NS
        spaces = [each for each in self.inventory.namespaces if each.gone_ns is None and by_chance(each)]
        return any(each.born_ns is not None and each.born_ns > since for each in spaces)

    def _changed(self, heard: set[int]) -> Container[int] | None:
        """The namespaces to read again: those heard of, and those that can't be heard; None for all."""
        last = self._last
        if last is None or ANY in heard:
            return None
        told = {last.own if nsid == HERE else last.meaning.get((last.own, nsid), 0) for nsid in heard}
        return told | (last.looks.keys() - self._audible())

    def _audible(self) -> set[int]:
        """The namespaces whose changes are told of."""
        last = self._last
        if last is None:
            return set()
        return {last.own, *(there for (here, _), there in last.meaning.items() if here == last.own)}

    def _look(self, changed: Container[int] | None, *, thorough: bool = False) -> None:
        earlier, audible, before = self._last, self._audible(), self.inventory
        self._looking = True
        told = self._ears.told()
        self._last = snapshot(
            Diagnostics(),  # what can't be read was told of by `take`; a name half made is nothing to tell of
            thorough=thorough,
            places=self._places,
            before=self._last,
            changed=changed,
        )
        meaning = partial(_meaning, (earlier, self._last))
        quiet = max(told.quiet_ns, before.taken_ns or 0) if told and earlier else None
        merged = merge(before, self._last.inventory, deeper=thorough, quiet=quiet, heard=audible)
        if told.more or not all_known(merged, told.links, meaning):
            merged = with_gap(merged, quiet or before.taken_ns, merged.done_ns)
        self.inventory = with_unseen(merged, told.links, meaning, told.since_ns)
        changes = (_essence(self.inventory), self.inventory.gaps) != (_essence(before), before.gaps)
        self.version += changes  # last: who sees it must find the new inventory
        self.looks += 1
        self._looking = False
        self._pause = self._last.cpu


@dataclass(slots=True)
class Told:
    """What was told since the last look began.

    links: those that are up. more: something else than links and addresses. any: whether anything was told.
    since_ns: when the first of it can have been said; quiet_ns: when it was quiet the last time before that.
    """

    since_ns: int
    quiet_ns: int
    links: list[Heard] = field(default_factory=list)
    more: bool = False
    any: bool = False

    def __bool__(self) -> bool:
        return self.any


class Ears:
    """Everything that says that something changed, and the descriptor that says that it is time to end."""

    def __init__(self, closing: int) -> None:
        self._closing = closing
        self._listened = time.monotonic_ns()
        self._told = Told(self._listened, self._listened)
        self._mounts = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setblocking(False)
        with contextlib.suppress(OSError):  # CAP_NET_BROADCAST; without it only this namespace is heard
            self._socket.setsockopt(SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1)
        with contextlib.suppress(OSError):  # CAP_NET_ADMIN
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, WAITING)
        self._socket.bind((0, 0))  # without a port of its own it would be left out as if all words were its own
        for group in GROUPS:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
        self._poll = select.poll()
        self._poll.register(closing, select.POLLIN)
        self._poll.register(self._socket, select.POLLIN)
        self._poll.register(self._mounts, select.POLLPRI)

    def closing(self, seconds: float) -> bool:
        """Wait so long, without listening; True at once when it is time to end."""
        poll = select.poll()
        poll.register(self._closing, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def wait(self, seconds: float) -> set[int] | None:
        """Wait so long for a word: the numbers of the namespaces heard of, empty where there was none.

        None when it is time to end.
        """
        end = time.monotonic() + seconds
        while True:
            began = time.monotonic_ns()
            left = end - began / 1e9
            ready = dict(self._poll.poll(max(0.0, min(left, QUIET)) * 1000))
            if ready or left <= 0:
                break
            if not self._told:
                self._told.quiet_ns = began
        if self._closing in ready:
            return None
        if self._mounts in ready:
            self._told.more = self._told.any = True
        return self.hear() or ({HERE} if ready else set())

    @property
    def quiet_ns(self) -> int:
        """When it was quiet the last time before what was told since `told` was asked."""
        return self._told.quiet_ns

    def told(self) -> Told:
        """What was told since the last call."""
        told, self._told = self._told, Told(self._listened, self._listened)
        return told

    def hear(self) -> set[int]:
        """Listen to all that was said by now, as `wait` does."""
        heard: set[int] = set()
        self._listened = time.monotonic_ns()
        while True:
            try:
                words, ancillary, _, _ = self._socket.recvmsg(RECEIVE, socket.CMSG_SPACE(4))
            except BlockingIOError:
                return heard
            except OSError:  # ENOBUFS: so much happened that some of it was lost
                self._told.more = self._told.any = True
                return {ANY}
            self._told.any = True
            numbers = [
                data for level, kind, data in ancillary if (level, kind) == (SOL_NETLINK, NETLINK_LISTEN_ALL_NSID)
            ]
            nsid = int.from_bytes(numbers[0], sys.byteorder, signed=True) if numbers else HERE
            heard.add(nsid)
            self._told.links += [Heard(nsid, link) for link in links_up(words)]
            self._told.more |= tells_more(words)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
        os.close(self._mounts)


def _essence(inventory: Inventory) -> list[Namespace]:
    """What counts as a change."""
    return [replace(namespace, pids=()) for namespace in inventory.namespaces]


def _meaning(snapshots: Iterable[Snapshot | None], nsid: int) -> set[int]:
    """The namespaces that a number stood for at either look; numbers are given out again."""
    there = [each for each in snapshots if each is not None]
    return {each.own if nsid == HERE else each.meaning.get((each.own, nsid), 0) for each in there} - {0}
