"""Flows, segments and leftovers where dynamic events show the bytes.

scripts/vm-test runs this file only where VM_TESTS names it, as `VM_KERNELS=6.12 VM_TESTS=".venv/bin/python -m pytest
tests/live/test_tprobes_flows.py" scripts/vm-test` does: it takes another three minutes where the machine is emulated.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from networks import routed as routers
from networks import wholes_of_segments
from tprobes import PATIENCE, PERFPATH, journeys, needs_tprobes, perfpath

from perfpath.capture.tprobes import events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from perfpath.capture.lab import Lab

pytestmark = [pytest.mark.perf, pytest.mark.netns]
SERVE = (
    "import socket\ns = socket.create_server(('', 8080)); print('ready', flush=True); c = s.accept()[0]; n = 0\n"
    "while d := c.recv(1 << 20): n += len(d)\nprint(n)"
)
SEND = "import socket, sys; c = socket.create_connection((sys.argv[1], 8080)); c.sendall(bytes(int(sys.argv[2])))"
Journey = dict[str, Any]


@pytest.fixture
def routed(lab: Lab) -> tuple[str, str, str, str]:
    """(left, right, address of right, address by which right sees left): a router that masquerades between them."""
    (left, router, right), (_, two) = routers(lab)
    rules = "table ip nat { chain post { type nat hook postrouting priority 100; oifname eth1 masquerade; }; }"
    lab.run(router, "nft", "-f", "-", stdin=rules)
    lab.run(left, "ping", "-c1", "-W9", str(two[2]))
    return left, right, str(two[2]), str(two[1])


@contextmanager
def server(lab: Lab, netns: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(lab.command(netns, sys.executable, "-c", SERVE), stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
        yield one


@contextmanager
def others(lab: Lab, netns: str, address: str) -> Iterator[None]:
    """Somebody else pings, from before the block until after it."""
    with subprocess.Popen(
        lab.command(netns, "ping", "-i0.2", address), stdout=subprocess.PIPE, text=True, bufsize=1
    ) as one:
        assert one.stdout
        while "bytes from" not in one.stdout.readline():
            assert one.poll() is None
        yield
        one.terminate()


def followed(tmp_path: Path, *args: str) -> tuple[list[Journey], str]:
    """The command's journeys, and what was said."""
    out = tmp_path / "out.jsonl"
    done = perfpath("--format", "jsonl", "-v", "-o", str(out), *args)
    assert done.returncode == 0, done.stderr
    return journeys(out.read_text()), done.stderr


@needs_tprobes
def test_a_ping_through_a_nat_beside_others(lab: Lab, routed: tuple[str, str, str, str], tmp_path: Path) -> None:
    left, _, far, near = routed
    with others(lab, left, far):
        found, said = followed(tmp_path, *lab.command(left, "ping", "-q", "-c3", "-i0.2", far))
    assert "bytes: tprobe" in said
    assert re.search(r"others' packets not shown: [1-9]", said), said
    pings = [each for each in found if (each["packet"] or {}).get("l4") == "icmp"]
    assert [each["role"] for each in pings] == ["request", "reply"] * 3
    assert {each["packet"]["dst"] for each in pings if each["role"] == "reply"} == {near}
    assert {len(each["hops"]) for each in pings} == {4}
    assert {hop["evidence"] for each in pings for hop in each["hops"]} == {"kernel"}


@needs_tprobes
def test_tcp_through_a_nat_both_ways(lab: Lab, routed: tuple[str, str, str, str], tmp_path: Path) -> None:
    left, right, far, near = routed
    with server(lab, right) as served, others(lab, left, far):
        found, _ = followed(tmp_path, *lab.command(left, sys.executable, "-c", SEND, far, "100"))
        assert served.stdout
        assert served.stdout.readline() == "100\n"
    tcp = [each for each in found if (each["packet"] or {}).get("l4") == "tcp"]
    assert not [each for each in found if (each["packet"] or {}).get("l4") == "icmp"]
    there = [each for each in tcp if each["packet"]["dport"] == 8080]
    back = [each for each in tcp if each["packet"]["sport"] == 8080]
    assert len(there) >= 4  # SYN, ACK, data (with FIN), the last ACK
    assert len(back) >= 3  # SYN ACK, ACK, FIN
    assert {each["packet"]["dst"] for each in back} == {near}
    assert {len(each["hops"]) for each in there + back} == {4}


@needs_tprobes
def test_segments_know_what_they_were_cut_from(lab: Lab, tmp_path: Path) -> None:
    left, right, net = lab.namespace("left"), lab.namespace("right"), lab.subnet()
    lab.veth(left, "lan0", right, "wan0")
    lab.address(left, "lan0", f"{net[1]}/24")
    lab.address(right, "wan0", f"{net[2]}/24")
    lab.run(left, "ping", "-c1", "-W9", str(net[2]))
    lab.run(left, "ethtool", "-K", "lan0", "tso", "off", "gso", "on")
    with server(lab, right) as served:
        found, _ = followed(tmp_path, *lab.command(left, sys.executable, "-c", SEND, str(net[2]), "50000"))
        assert served.stdout
        assert served.stdout.readline() == "50000\n"
    assert wholes_of_segments(found)
    assert {each["lineage"] for each in found} == {None, "segment"}


@needs_tprobes
def test_doctor_removes_what_a_killed_run_left(tmp_path: Path) -> None:
    out, file = tmp_path / "out", events._file()
    run = subprocess.Popen([PERFPATH, "--packets", "tprobe", "-o", str(out), "ping", "-q", "-i0.2", "127.0.0.1"])
    limit = time.monotonic() + PATIENCE
    while not out.exists() or not out.read_text():  # it is tracing
        assert time.monotonic() < limit
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    mine = f"perfpath_{run.pid}_"
    assert mine in file.read_text()
    done = perfpath("doctor", "--format", "json")
    said = {each["what"]: each for each in json.loads(done.stdout)}
    assert said["leftovers"]["said"].count(mine) == 4, said["leftovers"]
    assert said["dynamic events"]["good"]
    assert "perfpath_" not in file.read_text()
