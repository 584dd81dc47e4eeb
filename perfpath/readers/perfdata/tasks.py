"""Threads through time: their names and their network namespaces, from COMM, FORK and NAMESPACES records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.readers.perfdata.homes import KTHREADD, Homes
from perfpath.readers.perfdata.timeline import BEFORE_ALL, Timeline
from perfpath.readers.recording import TaskNamespaces

if TYPE_CHECKING:
    from perfpath.tables import Array, Names


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """What a record says of a thread: its name, the parent it was forked from, or its network namespace.

    pid, parent_pid: the processes of the two threads, -1 unknown. executed: it got the name by running a program.
    """

    time_ns: int
    tid: int
    comm: int | None = None
    parent: int | None = None
    netns: int | None = None
    pid: int = -1
    parent_pid: int = -1
    executed: bool = False


class Tasks:
    """Applies task records in time order and answers for columns of (tid, time).

    Records come in the order of the file, which is not that of time: they wait until `advance` says that no older
    one can come.
    """

    def __init__(self, names: Names) -> None:
        self.namespaces = TaskNamespaces()
        self._comm = Timeline(-1, np.int32)
        self._netns = Timeline(0, np.uint32)
        self._kin = Timeline(missing=0)
        self._root = -1
        self._names, self._homes = names, Homes()
        self._was: dict[int, int] = {}
        self._waiting: list[TaskRecord] = []
        self._comm.set(0, BEFORE_ALL, names.code("swapper"))

    def follow(self, pid: int) -> None:
        """From now on tell which threads are a process' or its descendants'. To be called before any record comes."""
        self._root = pid
        self._kin.set(pid, BEFORE_ALL, 1)

    def kin(self, tids: Array, times: Array) -> Array:
        """bool[n]: which threads were the followed process' or its descendants' at these times."""
        return self._kin.at(tids, times) > 0

    def add(self, record: TaskRecord) -> None:
        """Take a record."""
        self._waiting.append(record)

    def advance(self, until_ns: int | None) -> None:
        """Apply all records up to a time, None for all."""
        if not self._waiting:
            return
        self._waiting.sort(key=lambda record: record.time_ns)  # stable: equal times stay in the file's order
        ready = len(self._waiting)
        if until_ns is not None:
            ready = sum(record.time_ns <= until_ns for record in self._waiting)
        for record in self._waiting[:ready]:
            self._apply(record)
        del self._waiting[:ready]

    def _apply(self, record: TaskRecord) -> None:
        tid, time = record.tid, record.time_ns
        comm = record.comm
        if record.parent is not None:
            comm = self._comm.current.get(record.parent)
            self._inherit(tid, record.parent, time)
            kthreadd = self._comm.current.get(KTHREADD) in {None, self._names.find("kthreadd")}
            pid, parent_pid = record.pid, record.parent_pid
            told = self._homes.forked(pid, tid, parent_pid, record.parent, kthreadd=kthreadd, now=time > 0)
            self._told(tid, time, told)
        if comm is not None:
            self._comm.set(tid, time, comm)
        if record.executed:
            self._told(tid, time, self._homes.executed(record.pid, tid))
        if record.netns is not None:
            for each, told in self._homes.entered(record.pid, tid, record.netns).items():
                self._told(each, time, told)
            self._noted(tid, time, record.netns)

    def _told(self, tid: int, time_ns: int, netns: int) -> None:
        if netns or tid in self._netns.current:
            self._netns.set(tid, time_ns, netns)
        if netns:
            self._noted(tid, time_ns, netns)

    def _noted(self, tid: int, time_ns: int, netns: int) -> None:
        if self._was.get(tid) != netns:
            self._was[tid] = netns
            self.namespaces.tid.append(tid)
            self.namespaces.time_ns.append(time_ns)
            self.namespaces.netns.append(netns)

    def _inherit(self, tid: int, parent: int, time_ns: int) -> None:
        """A thread was forked; a number is given anew when its first thread is long gone."""
        if tid == self._root and time_ns <= 0:  # synthesized by perf: it was there when perf started
            return
        kin = self._kin.current.get(parent, 0)
        if kin or self._kin.current.get(tid, 0):
            self._kin.set(tid, time_ns, kin)

    def comms(self, tids: Array, times: Array) -> Array:
        """Codes of the threads' names, -1 unknown."""
        return self._comm.at(tids, times)

    def netns(self, tids: Array, times: Array) -> Array | None:
        """Inode numbers of the threads' network namespaces; None where the recording has none at all.

        0: unknown, or nothing to go by (`Homes`).
        """
        return self._netns.at(tids, times) if self._netns.current else None

    def forget(self, before_ns: int) -> None:
        """Drop what only older events would ask for."""
        self._comm.forget(before_ns)
        self._netns.forget(before_ns)
        self._kin.forget(before_ns)
