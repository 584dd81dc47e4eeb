"""The live default: the flows of the traced command, whole, and nobody else's; on real labs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perfpath.capture.hearing import deaf_cpus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.capture.lab import Lab

pytestmark = [pytest.mark.perf, pytest.mark.netns]
PERFPATH = str(Path(sys.executable).with_name("perfpath"))


@dataclass
class Followed:
    """What perfpath wrote."""

    status: int
    journeys: list[dict[str, Any]]
    summary: str

    @property
    def others(self) -> int:
        found = re.search(r"others' packets not shown: ([\d,]+)", self.summary)
        assert found, self.summary
        return int(found[1].replace(",", ""))

    def of(self, l4: str) -> list[dict[str, Any]]:
        return [each for each in self.journeys if (each["packet"] or {}).get("l4") == l4]


def perfpath(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PERFPATH, *args], capture_output=True, text=True, check=False, timeout=60)


def followed(tmp_path: Path, *args: str) -> Followed:
    out = tmp_path / "out.jsonl"
    done = perfpath("--format", "jsonl", "-o", str(out), *args)
    return Followed(done.returncode, [json.loads(line) for line in out.read_text().splitlines()], done.stderr)


@dataclass
class Router:
    """left - router - right, with addresses on both sides, and each end's neighbours not asked for yet."""

    left: str
    router: str
    right: str
    near: str
    far: str
    gateway: str


def routed(lab: Lab, *, warm: bool = True) -> Router:
    left, router, right = (lab.namespace(label) for label in ("left", "router", "right"))
    one, two = lab.subnet(), lab.subnet()
    lab.veth(left, "eth0", router, "eth0")
    lab.veth(router, "eth1", right, "eth0")
    for netns, dev, address in ((left, "eth0", one[1]), (router, "eth0", one[2]), (router, "eth1", two[2])):
        lab.address(netns, dev, f"{address}/24")
    lab.address(right, "eth0", f"{two[1]}/24")
    lab.forward(router)
    lab.ip("route", "add", "default", "via", str(one[2]), netns=left)
    lab.ip("route", "add", "default", "via", str(two[2]), netns=right)
    if warm:
        lab.run(left, "ping", "-c1", "-W2", str(two[1]))
    return Router(left, router, right, str(one[1]), str(two[1]), str(one[2]))


@contextmanager
def flood(lab: Lab, netns: str, address: str, *options: str) -> Iterator[None]:
    """Somebody else pings, from before the block until after it."""
    with subprocess.Popen(
        lab.command(netns, "ping", "-i", "0.002", *options, address), stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        while "bytes from" not in other.stdout.readline():
            assert other.poll() is None
        drain = subprocess.Popen(["cat"], stdin=other.stdout, stdout=subprocess.DEVNULL)
        yield
        other.terminate()
        other.stdout.close()
        drain.wait(10)


def roles(found: list[dict[str, Any]]) -> Counter[str | None]:
    return Counter(each["role"] for each in found)


def devices(journey: dict[str, Any]) -> list[tuple[str, str]]:
    return [(hop["dev"], hop["netns"]["name"]) for hop in journey["hops"]]


def test_pings_through_a_router_beside_a_flood(lab: Lab, tmp_path: Path) -> None:
    """Of the same two hosts, over the same interfaces: only the id tells them apart."""
    net = routed(lab)
    with flood(lab, net.left, net.far):
        found = followed(tmp_path, *lab.command(net.left, "ping", "-q", "-c23", "-i0.01", net.far))
    assert found.status == 0
    pings = found.of("icmp")
    assert roles(pings) == {"request": 23, "reply": 23}
    assert len({each["packet"]["icmp_id"] for each in pings}) == 1
    assert [each["packet"]["icmp_seq"] for each in pings if each["role"] == "request"] == list(range(1, 24))
    there = [("eth0", net.left), ("eth0", net.router), ("eth1", net.router), ("eth0", net.right)]
    assert {tuple(devices(each)) for each in pings} == {tuple(there), tuple(there[::-1])}
    assert found.others > 50


def test_all_shows_everything(lab: Lab, tmp_path: Path) -> None:
    net = routed(lab)
    with flood(lab, net.left, net.far):
        found = followed(tmp_path, "--all", *lab.command(net.left, "ping", "-q", "-c5", "-i0.01", net.far))
    assert len({each["packet"]["icmp_id"] for each in found.of("icmp") if "icmp_id" in each["packet"]}) > 1
    assert "others' packets" not in found.summary


def test_arp_that_comes_before_the_packet_it_is_for(lab: Lab, tmp_path: Path) -> None:
    """By the command's host for its gateway, and by the router, for the packet that waits there."""
    net = routed(lab, warm=False)
    found = followed(tmp_path, *lab.command(net.left, "ping", "-q", "-c1", net.far))
    assert found.status == 0
    assert roles(found.of("icmp")) == {"request": 1, "reply": 1}
    # a question, its answer, a request and its reply at each place; whether they are told apart is others' business
    assert Counter(place for each in found.journeys for place in devices(each)) == {
        ("eth0", net.left): 4,
        ("eth0", net.router): 4,
        ("eth1", net.router): 4,
        ("eth0", net.right): 4,
    }


def test_addresses_that_nobody_has(lab: Lab, tmp_path: Path) -> None:
    """Questions by a timer, and the errors that the kernel sends to itself when nobody answers.

    Several at once: perf misses, without a word, some events of timers that run while perf does.
    """
    net = routed(lab)
    nobody = [f"{net.near.rsplit('.', 1)[0]}.{last}" for last in range(77, 83)]
    script = "".join(f"ping -q -c1 -W5 {address} & " for address in nobody) + "wait"
    for _ in range(3):
        found = followed(tmp_path, *lab.command(net.left, "sh", "-c", script))
        asked = Counter(each["packet"]["dst"] for each in found.of("arp"))
        assert set(nobody) <= set(asked)  # a neighbour that does answer may be probed, too
        if again := sum(asked[address] for address in nobody) > len(nobody):
            break
    if not again and (deaf := deaf_cpus("perf")[0]):
        pytest.skip(f"the timers ran where perf is deaf: CPU {deaf}")
    assert again
    errors = [each for each in found.of("icmp") if devices(each)[0] == ("lo", net.left)]
    assert errors
    assert {each["packet"]["dst"] for each in errors} == {net.near}
    gone = [each["outcome"] for each in found.journeys if not each["hops"]]
    assert gone
    assert {each["reason"] for each in gone} == {"NEIGH_FAILED"}


def test_no_route_and_no_such_port(lab: Lab, tmp_path: Path) -> None:
    net = routed(lab)
    send = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(0.3); s.connect((%r, %d))\n"
    wait = "s.send(b'x')\ntry: s.recv(1)\nexcept OSError: pass"  # no route is no error to UDP: it waits
    elsewhere = lab.subnet()[9]
    for address, port in ((net.far, 9), (str(elsewhere), 7)):
        command = lab.command(net.left, sys.executable, "-c", send % (address, port) + wait)
        found = followed(tmp_path, *command)
        assert found.status == 0
        assert len(found.of("udp")) == 1
        assert len(found.of("icmp")) == 1, found
        assert found.of("icmp")[0]["packet"]["dst"] == net.near


SERVE = "import socket\ns = socket.create_server(('', 8080))\nprint('ready', flush=True)\nc = s.accept()[0]\n"
SERVE += "while c.recv(1000): pass\nc.close()\n"
CONNECT = "import socket; c = socket.create_connection(({address!r}, 8080)); c.sendall(b'x' * 100); c.close()"


@contextmanager
def server(lab: Lab, netns: str) -> Iterator[None]:
    with subprocess.Popen(lab.command(netns, sys.executable, "-c", SERVE), stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
        yield
        assert one.wait(10) == 0


def test_tcp_from_the_handshake_to_the_end_both_ways(lab: Lab, tmp_path: Path) -> None:
    """Acknowledgements are made in interrupts, and the end's too: no process sends them."""
    net = routed(lab)
    with server(lab, net.right), flood(lab, net.left, net.far):
        command = lab.command(net.left, sys.executable, "-c", CONNECT.format(address=net.far))
        found = followed(tmp_path, *command)
    assert found.status == 0
    assert not found.of("icmp")
    assert found.others
    out = [each for each in found.of("tcp") if each["packet"]["dport"] == 8080]
    back = [each for each in found.of("tcp") if each["packet"]["sport"] == 8080]
    assert len(out) >= 5  # SYN, ACK, data, FIN, the last ACK
    assert len(back) >= 3  # SYN ACK, ACK, FIN
    assert all(len(each["hops"]) == 4 for each in out + back)


def masquerade(lab: Lab, router: str) -> None:
    rules = "table ip nat { chain post { type nat hook postrouting priority 100; oifname eth1 masquerade; }; }"
    lab.run(router, "nft", "-f", "-", stdin=rules)


def test_nat_on_the_way(lab: Lab, tmp_path: Path) -> None:
    """The reply is of another flow until it is translated back; it begins in an interrupt."""
    net = routed(lab)
    masquerade(lab, net.router)
    with flood(lab, net.left, net.far):
        found = followed(tmp_path, *lab.command(net.left, "ping", "-q", "-c7", "-i0.01", net.far))
    pings = found.of("icmp")
    assert len(pings) == 14
    far_gateway = net.far.rsplit(".", 1)[0] + ".2"
    replies = [each for each in pings if each["packet"]["src"] == net.far]
    assert {each["packet"]["dst"] for each in replies} == {far_gateway}
    assert [len(each["hops"]) for each in replies] == [4] * 7


@pytest.mark.parametrize(
    "script",
    [
        "ping -q -c3 -i0.01 {far}; true",
        "(ping -q -c3 -i0.01 {far} &) ; sleep 0.2",
        "setsid sh -c 'ping -q -c3 -i0.01 {far} &' ; sleep 0.2",
    ],
    ids=["child", "orphan", "daemon"],
)
def test_children_and_daemons(script: str, lab: Lab, tmp_path: Path) -> None:
    net = routed(lab)
    with flood(lab, net.left, net.far):
        found = followed(tmp_path, *lab.command(net.left, "sh", "-c", script.format(far=net.far)))
    assert roles(found.of("icmp")) == {"request": 3, "reply": 3}


def test_ipv6_with_neighbour_discovery(lab: Lab, tmp_path: Path) -> None:
    left, right = lab.namespace("left"), lab.namespace("right")
    lab.veth(left, "eth0", right, "eth0")
    for netns, last in ((left, 1), (right, 2)):
        lab.run(netns, "tee", "/proc/sys/net/ipv6/conf/eth0/accept_dad", stdin="0")
        lab.run(netns, "tee", "/proc/sys/net/ipv6/conf/eth0/addr_gen_mode", stdin="1")  # no link-local address
        lab.run(netns, "tee", "/proc/sys/net/ipv6/conf/eth0/disable_ipv6", stdin="0")
        lab.address(netns, "eth0", f"fd00:5::{last}/64")
    found = followed(tmp_path, *lab.command(left, "ping", "-6", "-q", "-c3", "-i0.01", "fd00:5::2"))
    assert found.status == 0
    said = Counter(
        (each["packet"]["src"], "icmp_id" in each["packet"]) for each in found.of("icmp6") if len(each["hops"]) == 2
    )
    assert said["fd00:5::1", True] == said["fd00:5::2", True] == 3
    assert said["fd00:5::1", False] >= 1  # who has it?
    assert said["fd00:5::2", False] >= 1  # I have


RECEIVE = "import socket\ns = socket.socket(type=socket.SOCK_DGRAM)\ns.bind(('', 7070))\n"
RECEIVE += "print('ready', flush=True)\n{}"


def test_a_server_that_answers_and_one_that_only_reads(lab: Lab, tmp_path: Path) -> None:
    net = routed(lab)
    send = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 6060)); s.connect((%r, 7070))\n"
    send += "for _ in range(200):\n s.send(b'x' * 40000); s.settimeout(0.05)\n try: s.recv(9); break\n"
    send += " except OSError: pass\n"
    answer = "data, who = s.recvfrom(65536); s.sendto(b'y', who)"
    with subprocess.Popen(lab.command(net.left, sys.executable, "-c", send % net.far)) as client:
        found = followed(tmp_path, *lab.command(net.right, sys.executable, "-c", RECEIVE.format(answer)))
        assert client.wait(20) == 0
    asked = [each for each in found.of("udp") if each["packet"].get("dport") == 7070]
    answered = [each for each in found.of("udp") if each["packet"].get("sport") == 7070]
    assert asked
    assert [len(each["hops"]) for each in answered] == [4]


def test_without_bytes_it_says_so(lab: Lab, tmp_path: Path) -> None:
    net = routed(lab)
    command = lab.command(net.left, "ping", "-q", "-c1", net.far)
    for options in (("--packets", "none"), ("--backend", "trace")):
        assert "in the command's own context only" in followed(tmp_path, *options, *command).summary


def test_a_capture_tells_the_same_later_without_root(lab: Lab, tmp_path: Path) -> None:
    net, folder = routed(lab), tmp_path / "capture"
    with flood(lab, net.left, net.far):
        done = perfpath("record", "-o", str(folder), *lab.command(net.left, "ping", "-q", "-c5", "-i0.01", net.far))
    assert done.returncode == 0, done.stderr
    counts = {}
    for options in ((), ("--all",)):
        done = perfpath("report", "--format", "jsonl", *options, str(folder))
        assert done.returncode == 0, done.stderr
        found = Followed(0, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)
        counts[options] = len(found.of("icmp"))
        if not options:
            assert found.others
            assert roles(found.of("icmp")) == {"request": 5, "reply": 5}
    assert counts["--all",] > counts[()] == 10
