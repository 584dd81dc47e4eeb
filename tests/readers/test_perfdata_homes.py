"""Whose namespace tells where a thread's packets begin: `task_netns` of threads, by task records alone."""

from __future__ import annotations

import numpy as np
import pytest

from perfpath.readers.perfdata.tasks import TaskRecord, Tasks
from perfpath.tables import Names

HOST, BOX = 4026531840, 4026532001


def told(records: list[TaskRecord], *asked: tuple[int, int], kthreadd: str = "kthreadd") -> list[int]:
    names = Names()
    tasks = Tasks(names)
    tasks.add(TaskRecord(0, 2, comm=names.code(kthreadd), pid=2))
    for each in records:
        tasks.add(each)
    tasks.advance(None)
    tids, times = (np.array(column) for column in zip(*asked, strict=True))
    found = tasks.netns(tids, times)
    assert found is not None
    netns: list[int] = found.tolist()
    return netns


def enters(time: int, tid: int, netns: int, pid: int = 0) -> TaskRecord:
    return TaskRecord(time, tid, netns=netns, pid=pid or tid)


def forks(time: int, tid: int, parent: int, *, thread: bool = False) -> TaskRecord:
    return TaskRecord(time, tid, parent=parent, pid=parent if thread else tid, parent_pid=parent)


def test_a_shell_that_runs_a_command_in_a_namespace() -> None:
    """`ip netns exec`: a child, setns, another program."""
    records = [enters(0, 10, HOST), forks(5, 11, 10), TaskRecord(6, 11, comm=0, pid=11, executed=True)]
    records += [enters(7, 11, BOX), TaskRecord(8, 11, comm=0, pid=11, executed=True)]
    assert told(records, (10, 9), (11, 5), (11, 6), (11, 7), (11, 8)) == [HOST, HOST, HOST, 0, BOX]


def test_a_process_that_came_back_may_have_brought_a_socket() -> None:
    """Nor can its threads tell, nor the children it has then; those from before can."""
    records = [enters(0, 10, HOST), forks(1, 12, 10, thread=True), forks(2, 13, 10)]
    records += [enters(5, 10, BOX), enters(6, 10, HOST), forks(7, 14, 10), forks(8, 15, 10, thread=True)]
    assert told(records, (10, 4), (10, 6), (12, 4), (12, 6), (13, 9), (14, 9), (15, 9)) == [
        *(HOST, 0, HOST, 0),
        *(HOST, 0, 0),
    ]


@pytest.mark.parametrize(("name", "seen"), [("kthreadd", 0), ("sh", HOST)])
def test_threads_of_the_kernel_work_for_all(name: str, seen: int) -> None:
    """They are thread 2's children; in a PID namespace of its own, thread 2 is anybody."""
    records = [enters(0, 2, HOST), enters(0, 10, HOST), forks(0, 7, 2), enters(0, 7, HOST), forks(9, 8, 2)]
    assert told(records, (7, 1), (8, 9), (10, 9), kthreadd=name) == [seen, seen, HOST]
    again = [*records, forks(20, 7, 10)]
    assert told(again, (7, 21), kthreadd=name) == [HOST]


def test_what_was_there_before_is_where_it_is() -> None:
    """perf tells of running processes with a time of 0: a container's parent may well be on the host."""
    records = [enters(0, 10, HOST), forks(0, 11, 10), enters(0, 11, BOX), forks(0, 12, 10)]
    assert told(records, (10, 1), (11, 1), (12, 1)) == [HOST, BOX, 0]
