"""A session traces what it should, and the command doesn't notice."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from traced import PATIENCE, Driver, until

if TYPE_CHECKING:
    from pathlib import Path

    from perfpath.capture.lab import Lab

pytestmark = pytest.mark.perf


@pytest.fixture(params=["record", "trace"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Driver:
    return Driver(tmp_path, backend=request.param)


def pinged(lab: Lab, label: str = "one") -> tuple[str, str, str]:
    """A namespace behind a veth pair: its full name, the host's end, the address inside."""
    netns, dev = lab.namespace(label), f"{lab.prefix}h{len(label)}"
    net = lab.subnet()
    lab.veth("", dev, netns, "eth0")
    lab.address("", dev, f"{net[1]}/24")
    lab.address(netns, "eth0", f"{net[2]}/24")
    lab.run("", "ping", "-c1", "-W5", str(net[2]))  # so that no ARP comes between
    return netns, dev, str(net[2])


def seen(events: list[str]) -> list[tuple[str, str]]:
    """(tracepoint, device) of each event line, IPv6's and ARP's own packets left out by their length."""
    found = [re.search(r"net:(\w+)(?:: |\()dev=(\S+) skbaddr=\S+ len=(\d+)", line) for line in events]
    return [(hit[1], hit[2]) for hit in found if hit and int(hit[3]) in {84, 98}]


def one_ping(dev: str) -> list[tuple[str, str]]:
    there = [("net_dev_queue", dev), ("netif_rx", "eth0")]
    return [*there, ("net_dev_queue", "eth0"), ("netif_rx", dev)]


@pytest.mark.netns
@pytest.mark.parametrize("shell", [False, True], ids=["itself", "child"])
def test_all_hops_of_a_ping(driver: Driver, lab: Lab, shell: bool) -> None:
    _, dev, address = pinged(lab)
    ping = ["ping", "-c", "3", "-i", "0.01", address]
    traced = driver.run(*(["sh", "-c", f"{' '.join(ping)}; true"] if shell else ping))
    assert traced.status == 0
    assert "3 received" in traced.stdout
    assert traced.stderr == ""
    assert seen(traced.events()) == one_ping(dev) * 3
    if traced.said["backend"] == "record":  # perf trace learns a process's new name late, sometimes
        assert all(line.split()[0] == "ping" for line in traced.events())
    assert traced.said["notes"] == []


@pytest.mark.netns
def test_only_the_commands_own_context_without_all_cpus(driver: Driver, lab: Lab) -> None:
    netns, dev, address = pinged(lab)
    others = subprocess.Popen(["ping", "-q", "-i", "0.002", "-s", "400", address], stdout=subprocess.DEVNULL)
    try:
        alone = driver.run("ip", "netns", "exec", netns, "ping", "-c", "2", "-i", "0.3", "127.0.0.1")
        everything = driver.run(
            "ip", "netns", "exec", netns, "ping", "-c", "2", "-i", "0.3", "127.0.0.1", system_wide=True
        )
    finally:
        others.kill()
        others.wait()
    assert [hop for hop in seen(alone.events()) if hop[1] == "lo"] == [("net_dev_queue", "lo"), ("netif_rx", "lo")] * 4
    flow = [line for line in everything.events() if f"dev={dev}" in line and "len=442" in line]
    assert len(flow) > 100  # 500 a second for 0.3 s
    assert len([line for line in alone.events() if f"dev={dev}" in line]) < 10  # in our softirqs, at most
    assert ("netif_rx", "lo") in seen(everything.events())


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143)]
)
def test_exit_status(driver: Driver, script: str, status: int) -> None:
    traced = driver.run("sh", "-c", script)
    assert (traced.status, traced.said["status"]) == (status, status)


def test_standard_streams_are_the_commands(driver: Driver) -> None:
    traced = driver.run("sh", "-c", "cat; echo complaint >&2", stdin="one\ntwo\n")
    assert (traced.stdout, traced.stderr) == ("one\ntwo\n", "complaint\n")


def test_closed_standard_streams(driver: Driver) -> None:
    traced = driver.prepare("sh", "-c", "exit 4")
    done = subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *traced.argv], check=False, timeout=PATIENCE)
    assert done.returncode == 4


def test_the_command_sees_the_world_as_without_us(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERF_CONFIG", "mine")
    monkeypatch.setenv("ODD", os.fsdecode(b"\xff caf\xc3\xa9"))
    look = (
        "import json, os, signal\n"
        "signals = [line for line in open('/proc/self/status') if line.startswith(('Sig', 'Shd'))]\n"
        "open_ones = sorted(map(int, os.listdir('/proc/self/fd')))[:-1]\n"
        "print(json.dumps([dict(os.environ), open_ones, signals, os.getcwd(), os.getpgrp() == os.getpid()]))"
    )
    command = [sys.executable, "-c", look]
    alone = subprocess.run(command, check=True, capture_output=True, text=True, input="").stdout
    assert driver.run(*command).stdout == alone


def test_the_commands_parent_is_the_session(driver: Driver) -> None:
    traced = driver.prepare("sh", "-c", "echo $PPID; ps -o pgid= -p $$")
    with subprocess.Popen(traced.argv, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        out, _ = running.communicate(timeout=PATIENCE)
    assert out.split() == [str(running.pid)] * 2


@pytest.mark.netns
def test_what_a_background_child_does_within_the_grace_is_seen(driver: Driver, lab: Lab) -> None:
    _, dev, address = pinged(lab)
    fifo = driver.folder / "fifo"
    os.mkfifo(fifo)
    script = f"(read go < {fifo}; ping -c 1 {address}) > /dev/null & exit 5"
    traced = driver.prepare("sh", "-c", script, grace=PATIENCE)
    with subprocess.Popen(traced.argv) as running:
        until(lambda: traced.started, "the command runs")
        fifo.write_text("go\n")
        until(lambda: traced.out.stat().st_size > 0 and b"netif_rx" in traced.out.read_bytes(), "events")
        running.wait(timeout=2 * PATIENCE)
    assert running.returncode == 5
    assert seen(traced.events()) == one_ping(dev)


@pytest.mark.netns
def test_a_recording_survives_a_flood(tmp_path: Path, lab: Lab) -> None:
    _, dev, address = pinged(lab)
    flood = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"for _ in range(50000): s.sendto(bytes(56), ('{address}', 9))"
    )
    traced = Driver(tmp_path, backend="record").run(sys.executable, "-c", flood)
    assert traced.status == 0
    # perf may write what came while it looked at a buffer's head twice (tools/perf/util/mmap.c: perf_mmap__push)
    assert seen(list(set(traced.events()))).count(("net_dev_queue", dev)) == 50000
