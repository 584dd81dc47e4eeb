"""`perfpath COMMAND` on real labs, by both backends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from perfpath.capture.lab import Lab

pytestmark = [pytest.mark.perf, pytest.mark.netns]
BACKENDS = pytest.mark.parametrize("backend", ["record", "trace"])
PING = (84, 98)  # bytes, without and with the Ethernet header
PERFPATH = str(Path(sys.executable).with_name("perfpath"))


def perfpath(*args: str, **given: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PERFPATH, *args], capture_output=True, text=True, check=False, timeout=60, **given)


def journeys(tmp_path: Path, *args: str) -> list[dict[str, Any]]:
    """What perfpath wrote as jsonl while it traced, ping's alone: timers send ARP and other things."""
    out = tmp_path / "out.jsonl"
    done = perfpath("--format", "jsonl", "-o", str(out), *args)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in out.read_text().splitlines()]
    return [journey for journey in found if journey["hops"][0]["len"] in PING]


def path(journey: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(hop["dev"], hop["netns"] and hop["netns"]["name"]) for hop in journey["hops"]]


def bridge(lab: Lab) -> tuple[str, str, str]:
    """(namespace, its address, the bridge's name): a bridge on the host, a namespace behind it."""
    web, net, port, dev = lab.namespace("web"), lab.subnet(), f"{lab.prefix}w", f"{lab.prefix}b"
    lab.veth("", port, web, "eth0")
    lab.bridge("", dev, port)
    lab.address("", dev, f"{net[1]}/24")
    lab.address(web, "eth0", f"{net[2]}/24")
    lab.run("", "ping", "-c1", "-W2", str(net[2]))
    return web, str(net[2]), dev


@BACKENDS
def test_loopback(backend: str, tmp_path: Path) -> None:
    found = journeys(tmp_path, "--backend", backend, "ping", "-c", "3", "-i", "0.2", "127.0.0.1")
    assert [journey["role"] for journey in found] == ["request", "reply"] * 3
    assert all([hop["dev"] for hop in journey["hops"]] == ["lo", "lo"] for journey in found)


@BACKENDS
def test_23_pings_over_a_bridge_are_23_requests_and_23_replies(backend: str, tmp_path: Path, lab: Lab) -> None:
    web, address, dev = bridge(lab)
    found = journeys(tmp_path, "--backend", backend, "ping", "-q", "-c", "23", "-i", "0.01", address)
    there = [(dev, "host"), (f"{lab.prefix}w", "host"), ("eth0", web)]
    requests = [journey for journey in found if journey["role"] == "request"]
    replies = [journey for journey in found if journey["role"] == "reply"]
    assert (len(requests), len(replies), len(found)) == (23, 23, 46)
    assert all(path(journey) == there for journey in requests)
    assert all(path(journey) == there[::-1] for journey in replies)
    assert all(journey["complete"] for journey in found)


@BACKENDS
def test_from_one_namespace_to_another_over_a_bridge(backend: str, tmp_path: Path, lab: Lab) -> None:
    web, address, dev = bridge(lab)
    db, port = lab.namespace("db"), f"{lab.prefix}d"
    lab.veth("", port, db, "eth0")
    lab.ip("link", "set", "dev", port, "master", dev)
    lab.address(db, "eth0", address.rsplit(".", 1)[0] + ".3/24")
    lab.run(db, "ping", "-c1", "-W2", address)
    found = journeys(tmp_path, "--backend", backend, *lab.command(db, "ping", "-c2", "-i0.2", address))
    there = [("eth0", db), (port, "host"), (f"{lab.prefix}w", "host"), ("eth0", web)]
    assert [journey["role"] for journey in found] == ["request", "reply"] * 2
    assert [path(journey) for journey in found] == [there, there[::-1]] * 2


@pytest.mark.parametrize(
    ("backend", "ends"),
    # perf trace prints no CPU and no context: without these, names alike are a packet that begins its way anew
    [("record", ("eth0", "eth0")), ("record", ("west0", "east0")), ("trace", ("west0", "east0"))],
)
def test_through_three_namespaces_with_a_router(backend: str, ends: tuple[str, str], tmp_path: Path, lab: Lab) -> None:
    left, router, right = (lab.namespace(label) for label in ("left", "router", "right"))
    one, two = lab.subnet(), lab.subnet()
    lab.veth(left, ends[0], router, "eth0")
    lab.veth(router, "eth1", right, ends[1])
    for netns, dev, address in ((left, ends[0], one[1]), (router, "eth0", one[2]), (router, "eth1", two[2])):
        lab.address(netns, dev, f"{address}/24")
    lab.address(right, ends[1], f"{two[1]}/24")
    lab.forward(router)
    lab.ip("route", "add", "default", "via", str(one[2]), netns=left)
    lab.ip("route", "add", "default", "via", str(two[2]), netns=right)
    lab.run(left, "ping", "-c1", "-W2", str(two[1]))
    found = journeys(tmp_path, "--backend", backend, *lab.command(left, "ping", "-c2", "-i0.2", str(two[1])))
    there = [(ends[0], left), ("eth0", router), ("eth1", router), (ends[1], right)]
    assert [[hop["dev"] for hop in journey["hops"]] for journey in found] == [
        [dev for dev, _ in way] for way in (there, there[::-1]) * 2
    ]
    for journey, way in zip(found, (there, there[::-1]) * 2, strict=True):
        for hop, (_, place) in zip(journey["hops"], way, strict=True):
            assert hop["netns"] is None or hop["netns"]["name"] == place


def test_the_command_keeps_its_streams_and_its_status() -> None:
    done = perfpath("--format", "plain", "sh", "-c", "cat; echo to-stderr >&2; exit 9", input="to-stdout\n")
    assert done.returncode == 9
    assert done.stdout == "to-stdout\n"
    assert done.stderr.startswith("to-stderr\n")


def test_a_signal_that_ends_the_command_is_its_status() -> None:
    assert perfpath("sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM


def test_ctrl_c_reaches_both_and_the_summary_is_still_printed() -> None:
    with subprocess.Popen(
        [PERFPATH, "--format", "plain", "ping", "-i", "0.2", "127.0.0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as traced:
        assert traced.stderr
        first = traced.stderr.readline()
        os.killpg(traced.pid, signal.SIGINT)
        out, err = traced.communicate(timeout=30)
    assert " lo request" in first
    assert "packets transmitted" in out
    assert "lost: 0" in err
    assert traced.returncode == 0  # ping's own status after Ctrl-C


def test_the_first_hop_is_shown_soon_after_the_packet() -> None:
    """Not a timed test of the machine: the second packet, a second later, must not have been sent yet."""
    with subprocess.Popen(
        [PERFPATH, "--format", "plain", "ping", "-c2", "-i1", "127.0.0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as traced:
        assert traced.stdout
        assert traced.stderr
        assert " lo request" in traced.stderr.readline()
        shown = time.monotonic()
        traced.communicate(timeout=30)
    assert time.monotonic() - shown > 0.5


def test_sigkill_leaves_no_perf(tmp_path: Path) -> None:
    with subprocess.Popen(
        [PERFPATH, "--format", "plain", "-a", "--save", str(tmp_path / "capture"), "sleep", "60"],
        stderr=subprocess.PIPE,
        text=True,
    ) as traced:
        recording = tmp_path / "capture" / "perf.data"
        deadline = time.monotonic() + 20
        while not (recording.exists() and recording.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
        mine = children(traced.pid)
        assert any("perf" in command for command in mine.values())
        traced.kill()
        traced.wait()
        for pid, command in mine.items():
            if "sleep" in command:
                os.kill(pid, signal.SIGKILL)
        while any("perf" in command for pid, command in mine.items() if command_of(pid) == command):
            assert time.monotonic() < deadline, "perf outlived a killed perfpath"
    assert perfpath("report", "--format", "summary", str(recording)).returncode == 0


def children(pid: int) -> dict[int, str]:
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found[int(child)] = command_of(int(child))
            found |= children(int(child))
    return found


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
