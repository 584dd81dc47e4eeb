"""Packet sockets on real labs: what they see, whose it is, what they miss, and that they let go."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from perfpath.capture.packets.clock import Offset
from perfpath.capture.packets.ring import BLOCK, FRAME, Ring
from perfpath.capture.packets.sockets import Sockets, device_name, possible_cpus
from perfpath.firstbytes import ETHERNET
from perfpath.netns.enter import within

if TYPE_CHECKING:
    from perfpath.capture.lab import Lab
    from perfpath.tables import Table

pytestmark = pytest.mark.netns


def path_of(netns: str) -> tuple[str, int]:
    path = f"/run/netns/{netns}"
    return path, Path(path).stat().st_ino


def watch(sockets: Sockets, netns: str) -> int:
    path, inum = path_of(netns)
    assert sockets.add(inum, partial(within, path, inum))
    return inum


def pair(lab: Lab) -> tuple[str, str, str]:
    """Two namespaces, each with an eth0, and the address of the second."""
    one, two, net = lab.namespace("one"), lab.namespace("two"), lab.subnet()
    lab.veth(one, "eth0", two, "eth0")
    lab.address(one, "eth0", f"{net[1]}/24")
    lab.address(two, "eth0", f"{net[2]}/24")
    lab.run(one, "ping", "-c1", "-W2", str(net[2]))
    return one, two, str(net[2])


def icmp(seen: Table) -> Table:
    raw = seen["packet"]["raw"]
    return seen.take(np.flatnonzero((seen["protocol"] == 0x800) & (raw[:, 23] == 1)))


def test_each_end_of_a_veth_pair_sees_each_ping_and_its_answer_once(lab: Lab) -> None:
    one, two, address = pair(lab)
    with Sockets(2) as sockets:
        inums = [watch(sockets, one), watch(sockets, two)]
        assert sockets.namespaces == set(inums)
        before = time.monotonic_ns()
        lab.run(one, "ping", "-c5", "-i0.01", "-s100", address)
        after = time.monotonic_ns()
        seen, until = sockets.take()
        assert until > after
    pings = icmp(seen)
    pings = pings.take(np.argsort(pings["time_ns"], kind="stable"))
    ways = list(zip(pings["netns"].tolist(), pings["tx"].tolist(), strict=True))
    assert ways == [(inums[0], True), (inums[1], False), (inums[1], True), (inums[0], False)] * 5
    assert set(pings.texts("dev")) == {"eth0"}
    assert set(pings["len"].tolist()) == {142}
    assert set(pings["packet"]["layer"].tolist()) == {ETHERNET}
    assert set(pings["packet"]["network"].tolist()) == {14}
    assert set(pings["packet"]["captured"].tolist()) == {128}
    assert pings["packet"]["raw"][:, 41].tolist() == [seq for seq in range(1, 6) for _ in range(4)]
    assert ((before <= pings["time_ns"]) & (pings["time_ns"] <= after)).all()
    assert (pings["cpu"] >= 0).all()
    assert sockets.diagnostics.sound


def test_what_is_said_of_cpus_is_true(lab: Lab) -> None:
    one, _, address = pair(lab)
    with Sockets(2) as sockets:
        watch(sockets, one)
        for cpu in sorted(os.sched_getaffinity(0)):
            send = f"import socket as s; s.socket(s.AF_INET, s.SOCK_DGRAM).sendto(b'{cpu}', ('{address}', 9))"
            lab.run(one, "taskset", "-c", str(cpu), sys.executable, "-c", send)
            seen, _ = sockets.take()
            sent = seen.take(np.flatnonzero(seen["tx"] & (seen["protocol"] == 0x800)))
            assert sent["cpu"].tolist() == [cpu]
            assert bytes(sent["packet"]["raw"][0])[42:43] == str(cpu).encode()


def test_a_namespace_that_everybody_else_left_is_let_go(lab: Lab) -> None:
    one, two, _ = pair(lab)
    with Sockets(2) as sockets:
        watch(sockets, one)
        inum = watch(sockets, two)
        lab.ip("netns", "del", two)
        assert "eth0" in lab.ip("-o", "link", netns=one).stdout  # our socket still holds the other end
        sockets.remove([inum])
        assert sockets.namespaces == {path_of(one)[1]}
        limit = time.monotonic() + 10
        while "eth0" in lab.ip("-o", "link", netns=one).stdout:  # the kernel cleans up later
            assert time.monotonic() < limit


def test_where_no_socket_can_be_opened_a_note_says_so() -> None:
    def refused(_work: Any) -> Any:
        raise PermissionError(1, "Operation not permitted")

    with Sockets() as sockets:
        assert not sockets.add(1, refused)
    assert sockets.diagnostics.notes["no-socket"].count == 1


def test_a_full_ring_keeps_the_first_packets_and_counts_the_others(lab: Lab) -> None:
    one, _, address = pair(lab)
    path, inum = path_of(one)
    ring = within(path, inum, lambda: Ring(BLOCK))
    ring.discard()
    slots = BLOCK // FRAME.itemsize
    send = f"import socket as s\nc = s.socket(s.AF_INET, s.SOCK_DGRAM)\nfor n in range({3 * slots}): "
    send += f"c.sendto(n.to_bytes(4, 'big'), ('{address}', 9))"
    lab.run(one, sys.executable, "-c", send)
    first = ring.fetch()
    assert len(first) == slots
    assert ring.losses() >= 2 * slots  # and what the port unreachable messages took
    assert ring.losses() == 0
    assert len(ring.fetch()) == 0
    lab.run(one, sys.executable, "-c", send.replace(str(3 * slots), "1"))
    assert 1 <= len(ring.fetch()) <= 2
    ring.close()


def test_rings_are_read_around_their_end(lab: Lab) -> None:
    one, _, address = pair(lab)
    path, inum = path_of(one)
    ring = within(path, inum, lambda: Ring(BLOCK))
    ring.discard()
    found: list[int] = []
    for _ in range(4):
        lab.run(one, "ping", "-q", "-c50", "-i0.002", "-W1", address)
        frames = ring.fetch()
        found += [int(frame[66 + 41]) for frame in frames if frame[66 + 23] == 1 and frame[66 + 34] == 8]
    ring.close()
    assert found == [*range(1, 51)] * 4


def test_device_names_are_those_of_the_sockets_namespace(lab: Lab) -> None:
    one, _, _ = pair(lab)
    path, inum = path_of(one)
    ring = within(path, inum, lambda: Ring(BLOCK))
    lines = [line.split(": ") for line in lab.ip("-o", "link", netns=one).stdout.splitlines()]
    shown = {number: name.split("@")[0] for number, name, *_ in lines}
    assert {number: device_name(ring.fileno(), int(number)) for number in shown} == shown
    assert device_name(ring.fileno(), 1_000_000) is None
    ring.close()


def test_nothing_is_left_behind(lab: Lab) -> None:
    one, two, _ = pair(lab)
    folder = Path("/proc/self/fd")
    before = len(list(folder.iterdir()))
    with Sockets(2) as sockets:
        watch(sockets, one)
        watch(sockets, two)
        assert len(list(folder.iterdir())) >= before + 2 * possible_cpus()
    assert len(list(folder.iterdir())) == before


def test_the_offset_of_the_clocks_is_narrowed_down_and_a_step_is_noticed() -> None:
    offset = Offset()
    first = offset.measure()
    width = offset.high - offset.low
    assert abs(first - (time.time_ns() - time.monotonic_ns())) < 1_000_000
    for _ in range(20):
        offset.measure()
    assert offset.high - offset.low <= width
    assert offset.steps == 0
    offset.low, offset.high = 5, 6
    assert abs(offset.measure() - first) < 1_000_000
    assert offset.steps == 1


def test_sockets_are_not_for_everybody() -> None:
    code = (
        "import os\nfrom perfpath.capture.packets.ring import Ring\nos.setgroups([])\nos.setuid(65534)\n"
        "try: Ring(1 << 16)\nexcept PermissionError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_what_nobody_takes_fills_the_rings_and_not_the_memory(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many waiting the rings aren't emptied any more: the rest is lost, and counted."""
    monkeypatch.setattr("perfpath.capture.packets.sockets.WAITING", 100)
    monkeypatch.setattr("perfpath.capture.packets.sockets.LARGEST", BLOCK)
    one, _, address = pair(lab)
    send = "import socket as s\nc = s.socket(s.AF_INET, s.SOCK_DGRAM)\n"
    send += f"for n in range(3000): c.sendto(n.to_bytes(4, 'big'), ('{address}', 9))"
    slots = BLOCK // FRAME.itemsize
    with Sockets(1) as sockets:
        watch(sockets, one)
        for _ in range(2):  # the second time all waits already that may
            lab.run(one, sys.executable, "-c", send)
        first, before = sockets.take(1)
        rest, until = sockets.take()
        again, later = sockets.take()
    assert len(first) >= 1
    assert len(first) + len(rest) < 100 + 2 * slots * possible_cpus() < 6000
    assert before <= until <= later
    assert len(again) <= slots * possible_cpus()
    lost = sockets.diagnostics.notes["packets-dropped"].count
    assert lost >= 6000 - 100 - 3 * slots * possible_cpus()


def test_the_first_packets_are_thrown_away_in_a_flood_that_never_ends(lab: Lab) -> None:
    one, _, address = pair(lab)
    path, inum = path_of(one)
    flood = "import socket as s\nc = s.socket(s.AF_INET, s.SOCK_DGRAM)\nprint(flush=True)\n"
    flood += f"while True: c.sendto(b'', ('{address}', 9))"
    with subprocess.Popen(lab.command(one, sys.executable, "-c", flood), stdout=subprocess.PIPE) as sender:
        assert sender.stdout
        sender.stdout.readline()
        ring = within(path, inum, lambda: Ring(BLOCK))
        ring.discard()
        ring.close()
        sender.kill()
