"""Changes that are noticed while they happen."""

from __future__ import annotations

import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perfpath.netns.live import take
from perfpath.netns.watch import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.capture.lab import Lab
    from perfpath.netns.inventory import Interface, Namespace

pytestmark = pytest.mark.netns
PATIENCE = 30  # seconds until something that never comes fails a test


def noticed(watcher: Watcher, wanted: Callable[[], bool]) -> None:
    """Wait until the inventory is as wanted; it is replaced by the watcher's own thread."""
    end = time.monotonic() + PATIENCE
    looks = watcher.looks
    while not wanted():
        assert time.monotonic() < end, f"not noticed in {watcher.looks - looks} looks"
        threading.Event().wait(0.002)


def called(watcher: Watcher, name: str) -> list[Namespace]:
    return [namespace for namespace in watcher.inventory.namespaces if namespace.name == name]


def ends(watcher: Watcher, port: str) -> list[Interface]:
    """The host's interfaces of that name, there or gone."""
    (host,) = called(watcher, "host")
    return [interface for interface in host.interfaces if interface.name == port]


def test_a_namespace_that_lived_only_during_the_watch_is_kept(lab: Lab) -> None:
    first = take()
    with Watcher(first) as watcher:
        name, port = lab.namespace("brief"), f"{lab.prefix}p"
        lab.veth("", port, name, "eth0")
        inum = Path("/run/netns", name).stat().st_ino
        noticed(watcher, lambda: bool([i for n in called(watcher, name) for i in n.interfaces if i.peer]))
        assert called(watcher, name)[0].gone_ns is None
        version = watcher.version
        lab.ip("netns", "del", name)
        noticed(watcher, lambda: called(watcher, name)[0].gone_ns is not None)
        # the kernel takes the pair down later, when it finds the time
        noticed(watcher, lambda: all(end.gone_ns is not None for end in ends(watcher, port)))
        assert watcher.version > version
    (brief,) = called(watcher, name)
    assert brief.inum == inum
    assert brief.gone_ns is not None
    assert brief.born_ns is None or brief.born_ns < brief.gone_ns
    eth0 = next(interface for interface in brief.interfaces if interface.name == "eth0")
    (end,) = ends(watcher, port)
    assert (end.peer, end.peer_netns, end.gone_ns is not None) == (eth0.ifindex, inum, True)
    assert watcher.diagnostics.notes == {}


def test_a_name_used_again_is_another_namespace(lab: Lab) -> None:
    with Watcher(take()) as watcher:
        for _ in range(3):
            before = len(called(watcher, f"{lab.prefix}-again"))
            name = lab.namespace("again")
            noticed(watcher, lambda n=name: any(each.gone_ns is None for each in called(watcher, n)))  # type: ignore[misc]
            lab.ip("netns", "del", name)
            noticed(watcher, lambda n=name: all(each.gone_ns is not None for each in called(watcher, n)))  # type: ignore[misc]
            assert len(called(watcher, name)) == before + 1
    assert len({each.cookie for each in called(watcher, name)}) == 3


def test_links_and_names_inside_another_namespace_are_heard(lab: Lab) -> None:
    name = lab.namespace("one")
    lab.veth("", f"{lab.prefix}p", name, "eth0")
    with Watcher(take()) as watcher:
        lab.ip("link", "set", "dev", "eth0", "down", netns=name)
        lab.ip("link", "set", "dev", "eth0", "name", "lan0", netns=name)
        noticed(watcher, lambda: "lan0" in {i.name for i in called(watcher, name)[0].interfaces})
    (space,) = called(watcher, name)
    assert {(i.name, i.gone_ns is None) for i in space.interfaces} >= {("lan0", True)}


def test_what_came_and_went_between_two_looks_is_known_by_the_kernels_word(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfpath.netns.watch.AT_LEAST", 3600)  # after the first look there is only the last
    name, port = lab.namespace("box"), f"{lab.prefix}p"
    with Watcher(take()) as watcher:
        noticed(watcher, lambda: watcher.looks > 0)
        for _ in range(2):
            lab.veth("", port, name, "eth0")
            lab.ip("link", "delete", "dev", port)
        assert watcher.looks == 1
    brief = ends(watcher, port)
    assert len({end.ifindex for end in brief}) == 2
    assert {(end.kind, end.peer) for end in brief} == {("veth", 0)}
    assert all(end.born_ns is not None and end.gone_ns is not None and end.born_ns < end.gone_ns for end in brief)


def test_what_was_told_of_and_no_look_saw_is_a_gap(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace that came and went, with a link whose name nobody can ask for any more."""
    monkeypatch.setattr("perfpath.netns.watch.AT_LEAST", 3600)
    with Watcher(take()) as watcher:
        noticed(watcher, lambda: watcher.looks > 0)
        before = time.monotonic_ns()
        name, port = lab.namespace("box"), f"{lab.prefix}p"
        lab.veth("", port, name, "eth0")
        lab.ip("link", "delete", "dev", port)
        lab.ip("netns", "delete", name)
        after = time.monotonic_ns()
        assert watcher.looks == 1
    assert not called(watcher, name)
    assert any(since <= before and after <= until for since, until in watcher.inventory.gaps)


def test_until_something_is_told_what_there_was_is_certain(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfpath.netns.watch.IDLE_AT_LEAST", 3600)
    name = lab.namespace("stays")
    lab.veth("", f"{lab.prefix}p", name, "eth0")
    with Watcher(take()) as watcher:
        noticed(watcher, lambda: watcher.looks > 0)
        quiet = time.monotonic_ns()
        noticed(watcher, lambda: watcher.known_ns > quiet)
        lab.ip("link", "delete", "dev", f"{lab.prefix}p")
        noticed(watcher, lambda: all(end.gone_ns is not None for end in ends(watcher, f"{lab.prefix}p")))
    (end,) = ends(watcher, f"{lab.prefix}p")
    assert end.last_ns is not None
    assert end.gone_ns is not None
    assert quiet < end.last_ns < end.gone_ns


def test_a_container_gets_its_name_when_its_process_comes_though_nobody_tells_of_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Podman and CNI plugins make a file and the links first; the process that tells whose they are comes later."""
    monkeypatch.setattr("perfpath.netns.watch.IDLE_AT_LEAST", 3600)
    monkeypatch.setattr("perfpath.netns.watch.NAMELESS_NS", 3600 * 10**9)
    name = f"netns-{uuid.uuid4()}"
    try:
        with Watcher(take()) as watcher:
            noticed(watcher, lambda: watcher.looks > 0)
            lab.ip("netns", "add", name)
            noticed(watcher, lambda: [each.origin for each in called(watcher, name)] == ["mount"])
            inum = called(watcher, name)[0].inum
            with subprocess.Popen(["ip", "netns", "exec", name, "sleep", "60"]) as process:
                noticed(watcher, lambda: watcher.inventory.by_inum[inum].name == f"sleep[{process.pid}]")
                process.kill()
            looks = watcher.looks
            noticed(watcher, lambda: watcher.looks > looks + 1)
            assert watcher.inventory.by_inum[inum].name == f"sleep[{process.pid}]"
    finally:
        lab.ip("netns", "delete", name)


def test_closing_takes_a_last_look_and_leaves_nothing(lab: Lab) -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    threads = threading.active_count()
    watcher = Watcher(take())
    noticed(watcher, lambda: watcher.looks > 0)
    name = lab.namespace("late")
    watcher.close()
    watcher.close()
    assert called(watcher, name)
    assert threading.active_count() == threads
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_what_only_the_first_deep_look_finds_was_always_there(lab: Lab) -> None:
    name = lab.namespace("held")
    path = Path("/run/netns", name)
    inum = path.stat().st_ino
    with path.open("rb"):
        lab.ip("netns", "del", name)
        first = take()
        assert inum not in first.by_inum
        with Watcher(first) as watcher:
            noticed(watcher, lambda: inum in watcher.inventory.by_inum)
            other = lab.namespace("other")  # leads to a quick look, which alone would not find it
            noticed(watcher, lambda: bool(called(watcher, other)))
            space = watcher.inventory.by_inum[inum]
            assert (space.born_ns, space.gone_ns) == (None, None)
    assert watcher.inventory.by_inum[inum].gone_ns is None
