"""Whose namespace tells where the packets of a thread begin.

A socket stays in the namespace it was opened in; its process need not. What a thread sends is sent where the thread is
only while its process has been nowhere else: `setns` there and back with a socket in hand is how proxies and routing
daemons work. A new program begins without its predecessor's doubts: its sockets are closed on exec, as a rule. Threads
of the kernel are formally in the first namespace, and work for all.
"""

from __future__ import annotations

KTHREADD = 2  # the parent of all of them (kernel/kthread.c)


class Homes:
    """Follows processes through namespaces, in the order of time."""

    def __init__(self) -> None:
        self._seen: dict[int, set[int]] = {}  # by process: the namespaces that its sockets may be of
        self._threads: dict[int, set[int]] = {}
        self._where: dict[int, int] = {}
        self._kernel: set[int] = set()

    def forked(self, pid: int, tid: int, parent_pid: int, parent: int, *, kthreadd: bool, now: bool = True) -> int:
        """A thread or process began; returns the namespace that counts as its own, 0 for none.

        kthreadd: thread 2 may be the kernel's. now: it began now; else perf tells of one that is long there, and where
        its parent is by now says nothing.
        """
        self._kernel.discard(tid)
        if parent == KTHREADD and kthreadd:
            self._kernel.add(tid)
            self._where[tid], self._seen[tid] = 0, set()
            return 0
        self._where[tid] = self._where.get(parent, 0) if now else 0
        if pid == parent_pid and tid != pid:
            self._threads.setdefault(pid, set()).add(tid)
        elif pid != parent_pid:
            self._seen[pid] = set(self._seen.get(parent_pid, ()) if now else ())
            self._threads[pid] = {tid}
        return self._told(pid, tid)

    def entered(self, pid: int, tid: int, netns: int) -> dict[int, int]:
        """A thread is in a namespace; returns what counts from now on, for each thread that is concerned."""
        if tid in self._kernel:
            return {tid: 0}
        self._where[tid] = netns
        threads = self._threads.setdefault(pid, set())
        threads.add(tid)
        seen = self._seen.setdefault(pid, set())
        if netns in seen:
            return {tid: self._told(pid, tid)}
        seen.add(netns)
        return {each: self._told(pid, each) for each in threads}

    def executed(self, pid: int, tid: int) -> int:
        """A thread runs another program, alone in its process from now on; returns what counts as its namespace."""
        where = self._where.get(tid, 0)
        self._seen[pid] = {where} if where else set()
        self._threads[pid] = {tid}
        return where

    def _told(self, pid: int, tid: int) -> int:
        return self._where.get(tid, 0) if len(self._seen.get(pid, ())) < 2 else 0
