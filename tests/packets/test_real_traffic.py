"""Packets that the kernel itself made, in a lab: decoded as tshark decodes them, and filtered as tcpdump does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import decoded
import numpy as np
import pcap
import pytest

from perfpath.packets.compare import answers, reports
from perfpath.packets.decode import decode
from perfpath.packets.headers import packed
from perfpath.packets.identity import digests
from perfpath.packets.levels import innermost, quoted
from perfpath.packets.match import parse
from perfpath.packets.schema import CARRIERS
from perfpath.packets.text import sentences
from perfpath.packets.truth import TRUE

if TYPE_CHECKING:
    from pathlib import Path

    from perfpath.capture.lab import Lab

pytestmark = [
    pytest.mark.netns,
    pcap.needs("tshark", "tcpdump"),
]
DEADLINE = 20.0
TUNNELS = {
    "vxlan": "type vxlan id 42 local {here} remote {there} dstport 4789 dev eth0",
    "vxlan8472": "type vxlan id 43 local {here} remote {there} dstport 8472 dev eth0",
    "geneve": "type geneve id 44 remote {there} dstport 6081",
    "gre": "type gre local {here} remote {there} key 45",
    "gretap": "type gretap local {here} remote {there}",
    "ipip": "type ipip local {here} remote {there}",
    "vlan": "link eth0 type vlan id 5",
    "qinq": "link eth0 type vlan proto 802.1ad id 7",
}
SERVER = "import socket; s = socket.create_server(('', 8080)); print('up', flush=True); c = s.accept()[0]; " + (
    "c.sendall(c.recv(100)); c.close()"
)
CLIENT = "import socket, sys; c = socket.create_connection((sys.argv[1], 8080)); c.sendall(b'GET'); print(c.recv(9))"
DATAGRAM = "import socket, sys; s = socket.socket(type=socket.SOCK_DGRAM); s.connect((sys.argv[1], 9)); s.send(b'x')"


class Wire:
    """Two namespaces on one wire, with tunnels over it; `left` is listened to."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.left, self.right = lab.namespace("left"), lab.namespace("right")
        lab.veth(self.left, "eth0", self.right, "eth0")
        net = lab.subnet()
        self.here, self.there = str(net[1]), str(net[2])
        lab.address(self.left, "eth0", f"{self.here}/24")
        lab.address(self.right, "eth0", f"{self.there}/24")
        lab.forward(self.right)
        lab.run(self.right, "tee", "/proc/sys/net/ipv4/icmp_ratelimit", stdin="0")
        lab.ip("route", "add", "default", "via", self.there, netns=self.left)
        lab.ip("route", "add", "203.0.113.0/25", "via", self.here, netns=self.right)
        for netns, address in ((self.left, "fd00::1/64"), (self.right, "fd00::2/64")):
            lab.run(netns, "tee", "/proc/sys/net/ipv6/conf/eth0/disable_ipv6", stdin="0", check=False)
            self.six = lab.run("", "ip", "-n", netns, "address", "add", address, "dev", "eth0", "nodad", check=False)
        self.tunnels = {name: self.tunnel(number, name) for number, name in enumerate(TUNNELS, 1)}

    def tunnel(self, number: int, name: str) -> str:
        """Make both ends; returns the far address, "" where this kernel has no such tunnel."""
        for netns, here, there, last in ((self.left, self.here, self.there, 1), (self.right, self.there, self.here, 2)):
            kind = TUNNELS[name].format(here=here, there=there).split()
            link = kind[:2] if kind[0] == "link" else []
            argv = ["ip", "-n", netns, "link", "add", *link, "name", f"t{number}", *kind[len(link) :]]
            if self.lab.run("", *argv, check=False).returncode:
                return ""
            self.lab.address(netns, f"t{number}", f"192.168.{number}.{last}/24")
            self.lab.up(netns, f"t{number}")
        return f"192.168.{number}.2"

    def ping(self, *argv: str) -> None:
        self.lab.run(self.left, "ping", "-i", "0.05", "-W", "1", *argv, check=False)

    def traffic(self) -> None:
        """Some of everything."""
        self.ping("-c", "20", self.there)
        self.ping("-c", "3", "-s", "4000", self.there)
        self.ping("-c", "2", "203.0.113.200")  # right has no route; before other errors, which use up its allowance
        self.ping("-c", "2", "-t", "1", "203.0.113.9")  # exceeds its TTL at right
        if self.six.returncode == 0:
            self.ping("-6", "-c", "10", "fd00::2")
            self.ping("-6", "-c", "2", "-s", "4000", "fd00::2")
        for far in filter(None, self.tunnels.values()):
            self.ping("-c", "3", far)
        self.lab.run(self.left, sys.executable, "-c", DATAGRAM, self.there)
        self.lab.run(self.left, sys.executable, "-c", CLIENT, self.there, check=False)  # refused
        server = subprocess.Popen(
            self.lab.command(self.right, sys.executable, "-c", SERVER), stdout=subprocess.PIPE, text=True
        )
        with server:
            assert server.stdout
            assert server.stdout.readline() == "up\n"
            self.lab.run(self.left, sys.executable, "-c", CLIENT, self.there)


def captured(wire: Wire, file: Path) -> list[bytes]:
    """What left's eth0 saw during the traffic."""
    argv = ["tcpdump", "-i", "eth0", "-n", "-s", "0", "-U", "--immediate-mode", "-w", str(file)]
    with subprocess.Popen(wire.lab.command(wire.left, *argv), stderr=subprocess.PIPE, text=True) as tcpdump:
        assert tcpdump.stderr
        try:
            while "listening on" not in tcpdump.stderr.readline():
                assert tcpdump.poll() is None
            wire.traffic()
            deadline = time.monotonic() + DEADLINE
            while b"\x5a" * 40 not in file.read_bytes():
                wire.ping("-c", "1", "-p", "5a", wire.there)
                assert time.monotonic() < deadline, "tcpdump doesn't write"
        finally:
            tcpdump.send_signal(signal.SIGINT)
    return pcap.read(file)


@pytest.fixture(scope="module")
def packets(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    from perfpath.capture.lab import Lab

    with Lab() as lab:
        return captured(Wire(lab), tmp_path_factory.mktemp("real") / "wire.pcap")


@pytest.mark.parametrize("width", [2048, 128, 64])
def test_tshark_agrees(packets: list[bytes], tmp_path: Path, width: int) -> None:
    theirs = pcap.tshark(pcap.write(tmp_path / "wire.pcap", packets, width))
    chains = list(decoded.chains(decode(packed(packets, width=width))))
    wrong = [
        (fields, packet.hex())
        for chain, other, packet in zip(chains, theirs, packets, strict=True)
        if (fields := decoded.disagreements(chain, other))
    ]
    assert not wrong


def test_what_was_sent_is_found(packets: list[bytes]) -> None:
    table = decode(packed(packets, width=2048))
    kinds = {CARRIERS[kind] for kind in table.inner["carrier"].tolist()}
    assert {"vxlan", "icmp error"} <= kinds
    said = sentences(table)
    for words in ("arp who-has", "is-at", "time exceeded in transit", "net unreachable", "port unreachable"):
        assert any(words in sentence for sentence in said), words
    for words in ("tcp [S]", "tcp [S.]", "tcp [P.]", "tcp [F.]", "tcp [R.]", "fragment 1480", "vxlan 42 ", "vxlan 43 "):
        assert any(sentence.startswith(words) or words in sentence for sentence in said), words
    assert not (np.isin(table.outer["ended"], (2, 3))).any()


def test_tcpdump_filters_agree(packets: list[bytes], tmp_path: Path) -> None:
    file = pcap.write(tmp_path / "wire.pcap", packets)
    plain = decode(packed(packets, width=2048)).outer
    untagged = (plain["vlan"] < 0) & ((plain["family"] == 4) | (plain["ip_id"] < 0))
    for expression in (
        "icmp",
        "arp",
        "tcp",
        "udp port 4789",
        "greater 1000",
        "tcp port 8080 and src net 198.18.0.0/15",
    ):
        theirs = [number for number in pcap.tcpdump(file, expression) if untagged[number]]
        assert np.flatnonzero(parse(expression).select(plain) & untagged).tolist() == theirs, expression
        assert theirs, expression


def test_every_echo_has_its_reply_and_every_error_its_packet(packets: list[bytes]) -> None:
    headers = packed(packets, width=256)
    table = decode(headers)
    level, found = innermost(table), digests(table, headers)
    replies = np.flatnonzero(np.isin(level["icmp_type"], (0, 129)))
    assert len(replies) > 30
    requests = np.flatnonzero(np.isin(level["icmp_type"], (8, 128)))
    key = level["icmp_id"].astype(np.int64) << 16 | level["icmp_seq"]
    for reply in replies:
        asked = requests[key[requests] == key[reply]]
        pairs = answers(level.take(asked), level.take(np.full(len(asked), reply)))
        assert (pairs == TRUE).any()
        assert (found.flow[asked[pairs == TRUE]] == found.flow[reply]).all()
    about, errors = quoted(table)
    assert len(errors) >= 5
    for number, error in enumerate(errors):
        told = reports(level, about.take(np.full(len(level), number)))
        assert (told == TRUE).sum() == 1
        assert found.flow[np.flatnonzero(told == TRUE)[0]] == found.flow[error]
