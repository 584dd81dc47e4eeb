"""`perfpath --packets tprobe` on kernels that have such events (scripts/vm-test boots one); elsewhere it falls back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from networks import routed
from tprobes import PATIENCE, PERFPATH, journeys, needs_tprobes, perfpath, there

from perfpath.capture.tprobes import events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.capture.lab import Lab

pytestmark = [pytest.mark.perf, pytest.mark.netns]


def inum(lab: Lab, netns: str) -> int:
    return int(lab.run(netns, "stat", "-Lc", "%i", "/proc/self/ns/net").stdout)


@pytest.fixture
def bridge(lab: Lab) -> tuple[str, str, str]:
    """(namespace, its address, the bridge's name): a bridge on the host, a namespace behind it."""
    web, net, port, dev = lab.namespace("web"), lab.subnet(), f"{lab.prefix}w", f"{lab.prefix}b"
    lab.veth("", port, web, "eth0")
    lab.bridge("", dev, port)
    lab.address("", dev, f"{net[1]}/24")
    lab.address(web, "eth0", f"{net[2]}/24")
    lab.run("", "ping", "-c1", "-W9", str(net[2]))
    return web, str(net[2]), dev


@pytest.fixture
def ours() -> Iterator[Path]:
    """The file of dynamic events, in which nothing of ours is before and after."""
    file = events._file()
    assert "perfpath_" not in file.read_text()
    yield file
    events.clean()
    assert "perfpath_" not in file.read_text()


@needs_tprobes
def test_a_ping_over_a_bridge(lab: Lab, bridge: tuple[str, str, str], ours: Path, tmp_path: Path) -> None:
    web, address, dev = bridge
    out = tmp_path / "out.jsonl"
    for packets in ("tprobe", "auto"):
        done = perfpath("--packets", packets, "--format", "jsonl", "-o", str(out), "ping", "-q", "-c3", address)
        assert done.returncode == 0, done.stderr
        echoes = [each for each in journeys(out.read_text()) if (each["packet"] or {}).get("l4") == "icmp"]
        asked = [each for each in echoes if each["role"] == "request"]
        replies = [each for each in echoes if each["role"] == "reply"]
        assert [each["packet"]["icmp_seq"] for each in asked] == [1, 2, 3]
        assert [each["packet"]["icmp_seq"] for each in replies] == [1, 2, 3]
        host, inside, port = inum(lab, ""), inum(lab, web), f"{lab.prefix}w"
        there = [(dev, host, "kernel"), (port, host, "kernel"), ("eth0", inside, "kernel")]
        for each in asked:
            assert [(hop["dev"], hop["netns"]["inum"], hop["evidence"]) for hop in each["hops"]] == there
            assert each["packet"]["dst"] == address
        for each in replies:
            assert [(hop["dev"], hop["netns"]["inum"], hop["evidence"]) for hop in each["hops"]] == there[::-1]
            assert each["packet"]["src"] == address
        assert "perfpath_" not in ours.read_text()


@needs_tprobes
def test_through_a_router_recorded_and_read_without_root(lab: Lab, ours: Path, tmp_path: Path) -> None:
    (left, router, right), (_, two) = routed(lab)
    lab.ip("route", "add", "default", "via", str(two[1]), netns=right)
    lab.run(left, "ping", "-c1", "-W9", str(two[2]))
    folder = tmp_path / "capture"
    ping = lab.command(left, "ping", "-q", "-c2", str(two[2]))
    done = perfpath("record", "--packets", "tprobe", "-o", str(folder), *ping)
    assert done.returncode == 0, done.stderr
    assert not (folder / "packets.pcapng").exists()
    shown = perfpath("report", "--format", "jsonl", str(folder))
    spots = [(left, "eth0"), (router, "eth0"), (router, "eth1"), (right, "eth0")]
    there = [(dev, inum(lab, netns)) for netns, dev in spots]
    found = [each for each in journeys(shown.stdout) if (each["packet"] or {}).get("l4") == "icmp"]
    assert [(each["role"], each["packet"]["icmp_seq"]) for each in found] == [
        *(("request", 1), ("reply", 1)),
        *(("request", 2), ("reply", 2)),
    ]
    for each in found:
        way = [(hop["dev"], hop["netns"]["inum"]) for hop in each["hops"]]
        assert way == (there if each["role"] == "request" else there[::-1])
        assert {hop["evidence"] for hop in each["hops"]} == {"kernel"}
        assert each["outcome"]["kind"] == ("answered" if each["role"] == "request" else "delivered")
    if kept := os.environ.get("PERFPATH_VM_KEEP"):  # scripts/vm-test reads it again outside
        shutil.copytree(folder, kept)
        (Path(kept) / "expected.jsonl").write_text(shown.stdout)
    assert "perfpath_" not in ours.read_text()


@needs_tprobes
def test_what_a_killed_run_leaves_is_removed_at_the_next_start(
    bridge: tuple[str, str, str], ours: Path, tmp_path: Path
) -> None:
    ping = ["ping", "-q", "-i", "0.2", bridge[1]]
    run = subprocess.Popen([PERFPATH, "--packets", "tprobe", "-o", str(tmp_path / "out"), *ping])
    limit = time.monotonic() + PATIENCE
    while not (tmp_path / "out").exists() or not (tmp_path / "out").read_text():  # it is tracing
        assert time.monotonic() < limit
        time.sleep(0.05)
    mine = f"perfpath_{run.pid}_"
    assert ours.read_text().count(mine) == 4
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert mine in ours.read_text()
    foreign = "t:foreign/netif_rx_entry netif_rx_entry"
    events._tell(ours, foreign)
    try:
        done = perfpath("--packets", "tprobe", "-o", str(tmp_path / "again"), "ping", "-q", "-c1", bridge[1])
        assert done.returncode == 0, done.stderr
        assert [line.split(" ")[0] for line in ours.read_text().splitlines()] == ["t:foreign/netif_rx_entry"]
    finally:
        events._tell(ours, "-:foreign/netif_rx_entry")


@pytest.mark.skipif(there(), reason="this kernel has such events")
def test_without_such_events_that_is_said_or_sockets_are_taken(tmp_path: Path) -> None:
    done = perfpath("--packets", "tprobe", "true")
    assert done.returncode == 5
    assert done.stderr.startswith("perfpath: --packets tprobe: ")
    assert "--packets socket works on any kernel" in done.stderr
    out = tmp_path / "out.jsonl"
    done = perfpath("-v", "--format", "jsonl", "-o", str(out), "ping", "-q", "-c1", "127.0.0.1")
    assert done.returncode == 0, done.stderr
    shown = journeys(out.read_text())
    assert {hop["evidence"] for each in shown for hop in each["hops"]} == {"socket"}
    assert [(each["role"], each["outcome"]["kind"]) for each in shown] == [
        ("request", "answered"),
        ("reply", "delivered"),
    ]
    assert "bytes: socket" in done.stderr
    assert (
        "info: --packets auto can't take tprobe: dynamic events can't be made on tracepoints: this kernel"
        in done.stderr
    )
