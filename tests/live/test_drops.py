"""Drops made on purpose, on real labs: each names the right reason, hook and place; healthy labs show none."""

from __future__ import annotations

import json
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perfpath.catalogue import entries

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.capture.lab import Lab

pytestmark = [pytest.mark.perf, pytest.mark.netns]
PERFPATH = str(Path(sys.executable).with_name("perfpath"))
Journey = dict[str, Any]


class Trace:
    """Journeys of a lab's own packets."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab = lab
        self._out = folder / "out.jsonl"

    def __call__(self, netns: str, *command: str, options: tuple[str, ...] = ()) -> list[Journey]:
        argv = [PERFPATH, "--format", "jsonl", "-o", str(self._out), "--packets", "none", *options]
        done = subprocess.run(
            [*argv, *self._lab.command(netns, *command)], capture_output=True, text=True, check=False, timeout=60
        )
        assert "defect" not in done.stderr, done.stderr
        found = [json.loads(line) for line in self._out.read_text().splitlines()]
        return [journey for journey in found if self._is_ours(journey)]

    def _is_ours(self, journey: Journey) -> bool:
        places = [hop["netns"] for hop in journey["hops"]] + [(journey["outcome"] or {}).get("netns")]
        return any(place and (place["name"] or "").startswith(self._lab.prefix) for place in places)


@pytest.fixture
def trace(lab: Lab, tmp_path: Path) -> Trace:
    return Trace(lab, tmp_path)


def drops(journeys: list[Journey]) -> list[Journey]:
    """Those that were dropped, but for what a new bridge sends of its own (IGMP), in anybody's context: none joined."""
    found = [journey for journey in journeys if (journey["outcome"] or {}).get("kind") == "dropped"]
    return [journey for journey in found if not is_unjoined(journey["outcome"])]


def is_unjoined(outcome: dict[str, Any]) -> bool:
    return outcome["reason"] == "NOT_SPECIFIED" and (outcome["location"] or "").startswith("ip_rcv_finish_core+")


def only_drop(journeys: list[Journey]) -> tuple[str, str | None, str | None, str | None]:
    """(reason, hook, namespace, device of the last hop) of the only packet that was dropped."""
    (dropped,) = drops(journeys)
    outcome, hops = dropped["outcome"], dropped["hops"]
    assert outcome["after_hop"] == (len(hops) - 1 if hops else None)
    netns = outcome["netns"]["name"] if outcome["netns"] else None
    if hops and hops[-1]["netns"]:
        assert hops[-1]["netns"]["name"] == netns
    return outcome["reason"], outcome["hook"], netns, hops[-1]["dev"] if hops else None


def two(lab: Lab) -> tuple[str, str, str]:
    """Two namespaces with a veth pair between them, whose ends are both called eth0; and the second's address."""
    left, right, net = lab.namespace("left"), lab.namespace("right"), lab.subnet()
    lab.veth(left, "eth0", right, "eth0")
    lab.address(left, "eth0", f"{net[1]}/24")
    lab.address(right, "eth0", f"{net[2]}/24")
    lab.run(left, "ping", "-c1", "-W2", str(net[2]))
    return left, right, str(net[2])


def routed(lab: Lab) -> tuple[str, str, str, str]:
    """(left, router, right, address of right)."""
    left, router, right = (lab.namespace(label) for label in ("left", "router", "right"))
    one, other = lab.subnet(), lab.subnet()
    lab.veth(left, "eth0", router, "eth0")
    lab.veth(router, "eth1", right, "eth0")
    for netns, dev, address in ((left, "eth0", one[1]), (router, "eth0", one[2]), (router, "eth1", other[2])):
        lab.address(netns, dev, f"{address}/24")
    lab.address(right, "eth0", f"{other[1]}/24")
    lab.forward(router)
    lab.ip("route", "add", "default", "via", str(one[2]), netns=left)
    lab.ip("route", "add", "default", "via", str(other[2]), netns=right)
    lab.run(left, "ping", "-c1", "-W2", str(other[1]))
    return left, router, right, str(other[1])


def bridged(lab: Lab) -> tuple[str, str, str]:
    """(left, middle, address of right): left and right at the two ports of a bridge in middle."""
    left, middle, right = (lab.namespace(label) for label in ("left", "middle", "right"))
    net = lab.subnet()
    lab.veth(left, "eth0", middle, "port0")
    lab.veth(right, "eth0", middle, "port1")
    lab.bridge(middle, "br0", "port0", "port1")
    lab.address(left, "eth0", f"{net[1]}/24")
    lab.address(right, "eth0", f"{net[2]}/24")
    lab.run(left, "ping", "-c1", "-W2", str(net[2]))
    return left, middle, str(net[2])


def ping(address: str, *options: str) -> tuple[str, ...]:
    return ("ping", "-c1", "-W0.3", *options, address)


def pings(address: str) -> tuple[str, ...]:
    """Three pings at once, 30 requests in all. Each one's raw socket gets a copy of all replies, and filters."""
    one = f"ping -q -c 10 -i 0.01 {address}"
    return "sh", "-c", f"{one} & {one} & {one}; wait"


def rule(lab: Lab, netns: str, hook: str, family: str = "inet", what: str = "icmp type echo-request") -> None:
    device = 'device "eth0" ' if family == "netdev" else ""
    chain = f"type filter hook {hook} {device}priority 0; {what} drop;"
    lab.run(netns, "nft", "-f", "-", stdin=f"table {family} t {{ chain c {{ {chain} }}; }}\n")


@pytest.mark.parametrize(
    ("hook", "where", "after"),
    [
        ("output", "left", None),
        ("postrouting", "left", None),
        ("prerouting", "right", "eth0"),
        ("input", "right", "eth0"),
    ],
)
def test_a_firewall_rule_at_an_end(hook: str, where: str, after: str | None, lab: Lab, trace: Trace) -> None:
    left, right, address = two(lab)
    netns = {"left": left, "right": right}[where]
    rule(lab, netns, hook)
    assert only_drop(trace(left, *ping(address))) == ("NETFILTER_DROP", hook.upper(), netns, after)


def test_a_firewall_rule_on_ingress(lab: Lab, trace: Trace) -> None:
    left, right, address = two(lab)
    rule(lab, right, "ingress", "netdev")
    assert only_drop(trace(left, *ping(address))) == ("NETFILTER_DROP", "ingress", right, "eth0")


@pytest.mark.parametrize(("hook", "after"), [("prerouting", "eth0"), ("forward", "eth0"), ("postrouting", "eth0")])
def test_a_firewall_rule_on_a_router(hook: str, after: str, lab: Lab, trace: Trace) -> None:
    left, router, _, address = routed(lab)
    rule(lab, router, hook)
    found = trace(left, *ping(address))
    assert only_drop(found) == ("NETFILTER_DROP", hook.upper(), router, after)
    assert [hop["netns"]["name"] for hop in drops(found)[0]["hops"]] == [left, router]


@pytest.mark.parametrize(("hook", "family"), [("prerouting", "bridge"), ("forward", "bridge"), ("forward", "inet")])
def test_a_firewall_rule_on_a_bridge(hook: str, family: str, lab: Lab, trace: Trace) -> None:
    left, middle, address = bridged(lab)
    asked = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if family == "inet" and not asked.exists():
        pytest.skip("no br_netfilter here: bridges ask no rules but their own")
    if family == "inet":
        lab._sysctl(middle, "net/bridge/bridge-nf-call-iptables", "1")
    rule(lab, middle, hook, family, "ip protocol icmp" if family == "inet" else "ether type ip")
    named = f"bridge {hook.upper()}" if family == "bridge" else f"{hook.upper()} (bridged)"
    assert only_drop(trace(left, *ping(address))) == ("NETFILTER_DROP", named, middle, "port0")


def test_a_firewall_rule_on_what_a_bridge_sends(lab: Lab, trace: Trace) -> None:
    _, middle, address = bridged(lab)
    lab.address(middle, "br0", f"{address.rsplit('.', 1)[0]}.3/24")
    lab.run(middle, "ping", "-c1", "-W2", address)
    rule(lab, middle, "output", "bridge", "ether type ip")
    assert only_drop(trace(middle, *ping(address))) == ("NETFILTER_DROP", "bridge OUTPUT", middle, "br0")


def test_the_reply_dropped_on_its_way_out(lab: Lab, trace: Trace) -> None:
    left, right, address = two(lab)
    rule(lab, right, "output", what="icmp type echo-reply")
    found = drops(trace(left, *ping(address)))
    assert [(each["outcome"]["reason"], each["outcome"]["hook"], each["hops"]) for each in found] == [
        ("NETFILTER_DROP", "OUTPUT", [])
    ]


def test_reverse_path_filter(lab: Lab, trace: Trace) -> None:
    left, right, address = two(lab)
    lab._sysctl(right, "net/ipv4/conf/all/rp_filter", "1")
    lab.address(left, "lo", "10.99.0.1/32")
    assert only_drop(trace(left, *ping(address, "-I", "10.99.0.1"))) == ("IP_RPFILTER", None, right, "eth0")


def blackhole(lab: Lab, router: str) -> None:
    lab.ip("route", "add", "blackhole", "203.0.113.0/24", netns=router)


def unreachable(lab: Lab, router: str) -> None:
    lab.ip("route", "add", "unreachable", "203.0.113.0/24", netns=router)


def nothing(lab: Lab, router: str) -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "words"), [(nothing, "no route"), (blackhole, "blackhole"), (unreachable, "unreachable")]
)
def test_no_way_on_from_a_router(
    prepare: Callable[[Lab, str], None], words: str, lab: Lab, trace: Trace, tmp_path: Path
) -> None:
    left, router, _, _ = routed(lab)
    prepare(lab, router)
    reason, hook, netns, dev = only_drop(trace(left, *ping("203.0.113.9")))
    assert (hook, netns, dev) == (None, router, "eth0")
    assert reason == "IP_INNOROUTES" if prepare is nothing else reason in ("NOT_SPECIFIED", "IP_INNOROUTES")
    told = tmp_path / "told"
    argv = [PERFPATH, "--diagnose", "--packets", "none", "-o", str(told), *lab.command(left, *ping("203.0.113.9"))]
    subprocess.run(argv, capture_output=True, check=False, timeout=60)
    assert words in told.read_text()
    assert f"ip netns exec {router} ip route get" in told.read_text()


def test_time_to_live(lab: Lab, trace: Trace) -> None:
    left, router, _, address = routed(lab)
    assert only_drop(trace(left, *ping(address, "-t1"))) == ("IP_INHDR", None, router, "eth0")


def test_too_long_for_the_next_link(lab: Lab, trace: Trace) -> None:
    left, router, _, address = routed(lab)
    lab.ip("link", "set", "dev", "eth1", "mtu", "1000", netns=router)
    found = trace(left, *ping(address, "-M", "do", "-s", "1200"))
    assert only_drop(found) == ("PKT_TOO_BIG", None, router, "eth0")


def routed6(lab: Lab) -> tuple[str, str, str]:
    """(left, router, right), as `routed`, with IPv6: fd01::/64 on the left, fd02::/64 on the right, where ::1 is."""
    left, router, right = (lab.namespace(label) for label in ("left", "router", "right"))
    lab.veth(left, "eth0", router, "eth0")
    lab.veth(router, "eth1", right, "eth0")
    ends = (
        (left, "eth0", "fd01::1"),
        (router, "eth0", "fd01::2"),
        (router, "eth1", "fd02::2"),
        (right, "eth0", "fd02::1"),
    )
    for netns, dev, address in ends:
        lab._sysctl(netns, f"net/ipv6/conf/{dev}/accept_dad", "0")  # addresses can be used at once
        lab._sysctl(netns, f"net/ipv6/conf/{dev}/disable_ipv6", "0")
        lab.address(netns, dev, f"{address}/64")
    lab._sysctl(router, "net/ipv6/conf/all/forwarding", "1")
    lab.ip("-6", "route", "add", "default", "via", "fd01::2", netns=left)
    lab.ip("-6", "route", "add", "default", "via", "fd02::2", netns=right)
    lab.run(left, "timeout", "10", "sh", "-c", "until ping -c1 -W0.2 fd02::1; do :; done")  # neighbours must be found
    return left, router, right


@pytest.mark.parametrize(
    ("command", "reason", "where"),
    [
        (ping("fd02::1", "-t1"), "IP_INHDR", "router"),
        (ping("fd09::9"), "IP_INNOROUTES", "router"),
        (ping("fd02::1", "-M", "do", "-s", "1400"), "PKT_TOO_BIG", "router"),
        (("bash", "-c", "exec 3<>/dev/udp/fd02::1/9 && echo x >&3"), "NO_SOCKET", "right"),
        (("bash", "-c", "exec 3<>/dev/tcp/fd02::1/9"), "NO_SOCKET", "right"),
    ],
)
def test_ipv6(command: tuple[str, ...], reason: str, where: str, lab: Lab, trace: Trace) -> None:
    left, router, right = routed6(lab)
    lab.ip("link", "set", "dev", "eth1", "mtu", "1300", netns=router)
    netns = {"router": router, "right": right}[where]
    assert only_drop(trace(left, *command)) == (reason, None, netns, "eth0")


def test_ipv6_pings_at_once_drop_nothing(lab: Lab, trace: Trace) -> None:
    left, _, _ = routed6(lab)
    found = trace(left, *pings("fd02::1"))
    assert found
    assert drops(found) == []


def test_the_other_end_takes_only_shorter_packets(lab: Lab, trace: Trace) -> None:
    left, right, address = two(lab)
    lab.ip("link", "set", "dev", "eth0", "mtu", "1000", netns=right)
    (dropped,) = drops(trace(left, *ping(address, "-s", "1200")))
    assert "MTU" in entries.meant(dropped["outcome"]["reason"], dropped["outcome"]["location"]).meaning
    assert (dropped["outcome"]["netns"]["name"], dropped["hops"][-1]["dev"]) == (left, "eth0")


def test_the_other_end_is_down(lab: Lab, trace: Trace) -> None:
    left, right, address = two(lab)
    lab.ip("link", "set", "dev", "eth0", "down", netns=right)
    reason, hook, netns, dev = only_drop(trace(left, *ping(address)))
    assert reason in ("QDISC_DROP", "NOT_SPECIFIED", "DEV_READY")
    assert (hook, netns, dev) == (None, left, "eth0")


def test_isolated_ports_of_a_bridge(lab: Lab, trace: Trace) -> None:
    left, middle, address = bridged(lab)
    for port in ("port0", "port1"):
        lab.run(middle, "bridge", "link", "set", "dev", port, "isolated", "on")
    (dropped,) = drops(trace(left, *ping(address)))
    assert "isolated" in entries.meant(dropped["outcome"]["reason"], dropped["outcome"]["location"]).meaning
    assert (dropped["outcome"]["netns"]["name"], dropped["hops"][-1]["dev"]) == (middle, "port0")


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_nobody_listens(protocol: str, lab: Lab, trace: Trace) -> None:
    left, right, address = two(lab)
    send = f"exec 3<>/dev/{protocol}/{address}/9 && echo x >&3"
    assert only_drop(trace(left, "bash", "-c", send)) == ("NO_SOCKET", None, right, "eth0")


def test_a_full_receive_buffer(lab: Lab, trace: Trace) -> None:
    left, right, address = two(lab)
    listener = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304); s.bind(('0.0.0.0', 7777)); "
        "print('ready', flush=True); input()"
    )
    sender = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"for _ in range(20): s.sendto(bytes(500), ('{address}', 7777))"
    )
    with subprocess.Popen(
        lab.command(right, sys.executable, "-c", listener), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        found = trace(left, sys.executable, "-c", sender)
        process.communicate(b"\n")
    assert len(found) == 20
    dropped = drops(found)
    assert 0 < len(dropped) < 20
    assert {each["outcome"]["reason"] for each in dropped} == {"SOCKET_RCVBUFF"}
    assert {each["outcome"]["netns"]["name"] for each in dropped} == {right}
    assert all(each["outcome"] is None for each in found if each not in dropped)


def test_a_full_queue(lab: Lab, trace: Trace) -> None:
    left, _, address = two(lab)
    lab.run(
        left, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "400bit", "burst", "1600", "limit", "2000"
    )
    sender = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"for _ in range(10): s.sendto(bytes(500), ('{address}', 7777))"
    )
    dropped = [
        each for each in drops(trace(left, sys.executable, "-c", sender)) if "QDISC" in each["outcome"]["reason"]
    ]
    assert len(dropped) == 5  # two pass the bucket, three wait in 2000 bytes (for the next, ten seconds)
    assert {each["outcome"]["reason"] for each in dropped} <= {"QDISC_DROP", "QDISC_OVERLIMIT"}
    assert {(each["hops"][-1]["dev"], each["outcome"]["netns"]["name"]) for each in dropped} == {("eth0", left)}


def test_a_bridge_port_that_does_not_forward(lab: Lab, trace: Trace) -> None:
    left, middle, address = bridged(lab)
    lab.run(middle, "bridge", "link", "set", "dev", "port0", "state", "0")
    reason, hook, netns, dev = only_drop(trace(left, *ping(address)))
    assert reason in ("BRIDGE_INGRESS_STP_STATE", "NOT_SPECIFIED")
    assert (hook, netns, dev) == (None, middle, "port0")


def test_nobody_answers_arp(lab: Lab) -> None:
    """The timer that gives up runs anywhere, any time later: the whole system is traced, and no namespace is known."""
    left, _, address = two(lab)
    missing = address.rsplit(".", 1)[0] + ".77"
    argv = [PERFPATH, "-a", "--packets", "none", "--format", "jsonl", "-o", "-"]
    out = lab.run("", *argv, *lab.command(left, "ping", "-c2", "-i1", "-W4", missing), check=False).stdout
    outcomes = [json.loads(line)["outcome"] for line in out.splitlines() if line.startswith("{")]
    failed = [outcome for outcome in outcomes if outcome and outcome["reason"] == "NEIGH_FAILED"]
    assert failed
    assert failed[0]["location"].startswith("neigh_invalidate+")


def test_where_nobody_answered_arp(lab: Lab) -> None:
    """The ICMP error about it, which comes first, tells; under load its bytes may lack, and then nothing is said."""
    left, _, address = two(lab)
    near = address.rsplit(".", 1)[0]
    pings = " & ".join(f"ping -c1 -W4 {near}.{host}" for host in range(70, 78))
    argv = [PERFPATH, "-a", "--packets", "socket", "--format", "jsonl", "-o", "-"]
    out = lab.run("", *argv, *lab.command(left, "sh", "-c", f"{pings} & wait"), check=False).stdout
    outcomes = [json.loads(line)["outcome"] for line in out.splitlines() if line.startswith("{")]
    places = [
        outcome["netns"]["name"]
        for outcome in outcomes
        if outcome and outcome["reason"] == "NEIGH_FAILED" and outcome["netns"]
    ]
    assert left in places
    assert not {place for place in places if place.startswith(lab.prefix)} - {left}


def ip_packet(source: str, target: str, protocol: int, payload: bytes, *, good: bool = True) -> bytes:
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0) + addresses
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return head[:10] + struct.pack("!H", checksum ^ (0 if good else 0x1111)) + head[12:] + payload


@pytest.mark.parametrize(
    ("protocol", "payload", "reason"),
    [
        (17, struct.pack("!HHHH", 1, 7777, 20, 0x1234) + b"x" * 12, "UDP_CSUM"),
        (6, struct.pack("!HHIIBBHHH", 1, 80, 0, 0, 0x50, 2, 0, 0x1234, 0), "TCP_CSUM"),
        (1, b"\x08\0\x12\x34" + b"x" * 20, "ICMP_CSUM"),
        (253, b"x" * 20, "IP_NOPROTO"),
        (0, b"", "IP_CSUM"),
    ],
)
def test_bytes_that_are_wrong(protocol: int, payload: bytes, reason: str, lab: Lab, trace: Trace) -> None:
    left, right, address = two(lab)
    mac = lab.run(right, "cat", "/sys/class/net/eth0/address").stdout.strip().replace(":", "")
    packet = ip_packet(address.rsplit(".", 1)[0] + ".1", address, protocol, payload, good=reason != "IP_CSUM")
    frame = mac + "020000000001" + "0800" + packet.hex()
    send = f"import socket; s = socket.socket(17, 3); s.bind(('eth0', 0)); s.send(bytes.fromhex('{frame}'))"
    assert only_drop(trace(left, sys.executable, "-c", send)) == (reason, None, right, "eth0")


HEALTHY = {
    "pings": ("ping", "-c5", "-i0.05", "{address}"),
    "a flood of pings": ("ping", "-q", "-f", "-c200", "{address}"),
    "fragments": ("ping", "-c2", "-i0.1", "-s", "4000", "{address}"),
    "TCP": (
        sys.executable,
        "-c",
        "import socket; s=socket.create_connection(('{address}', 7777)); s.sendall(bytes(9999))",
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_labs_show_no_drop(name: str, lab: Lab, trace: Trace) -> None:
    left, right, address = two(lab)
    server = (
        "import socket; s = socket.create_server(('0.0.0.0', 7777)); print('ready', flush=True)\n"
        "while True:\n"
        "    c, _ = s.accept()\n"
        "    while c.recv(4096): pass\n"
    )
    with subprocess.Popen(lab.command(right, sys.executable, "-c", server), stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        lab.ip("neigh", "flush", "all", netns=left)
        found = trace(left, *(word.format(address=address) for word in HEALTHY[name]))
        process.kill()
    assert found
    assert [(each["outcome"], each["hops"]) for each in drops(found)] == []


@pytest.mark.parametrize("way", ["loopback", "veth", "bridge"])
def test_several_pings_at_once_drop_nothing(way: str, lab: Lab, trace: Trace) -> None:
    left, _, address = bridged(lab) if way == "bridge" else two(lab)
    found = trace(left, *pings("127.0.0.1" if way == "loopback" else address))
    assert drops(found) == []
    assert len([journey for journey in found if journey["hops"][0]["len"] == 98]) == 60


@pytest.mark.parametrize("way", ["loopback", "bridge"])
def test_top_loses_none_of_several_pings(way: str, lab: Lab) -> None:
    left, _, address = bridged(lab) if way == "bridge" else two(lab)
    command = lab.command(left, *pings("127.0.0.1" if way == "loopback" else address))
    argv = [PERFPATH, "top", "--packets", "none", "-o", "-", *command]
    told = lab.run("", *argv).stdout
    rows = re.findall(rf"{lab.prefix}-\w+ +(\d+) +(\S+)", told)
    assert max(int(packets) for packets, _ in rows) >= 30, told
    assert {lost for _, lost in rows} == {"0"}, told


def test_nothing_is_a_drop_that_may_be_none_without_symbols(lab: Lab, tmp_path: Path) -> None:
    """What plain perf recorded has no symbols: nobody can tell a ping's reply from a packet without a listener."""
    left, _, address = bridged(lab)
    out, events = str(tmp_path / "perf.data"), ("skb:kfree_skb", "net:net_dev_queue", "net:netif_rx")
    argv = ["perf", "record", "-q", "-a", "-o", out, *(word for event in events for word in ("-e", event))]
    lab.run("", *argv, "--", *lab.command(left, *pings(address)))
    done = lab.run("", PERFPATH, "report", "--format", "jsonl", "-v", "-o", "-", out)
    journeys = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    unsure = {"NO_SOCKET", "SOCKET_FILTER", "QUEUE_PURGE", "NOT_SPECIFIED", None}
    assert [each["outcome"] for each in drops(journeys) if each["outcome"]["reason"] in unsure] == []
    assert "of which nobody can tell whether they were dropped" in done.stdout + done.stderr


def test_every_packet_of_a_flood_is_accounted_for(lab: Lab, trace: Trace) -> None:
    """A rule drops every second of 1000 packets; the others reach a socket that nobody reads until all were sent."""
    left, right, address = two(lab)
    chain = "type filter hook input priority 0; udp dport 7777 numgen inc mod 2 0 drop;"
    lab.run(right, "nft", "-f", "-", stdin=f"table inet t {{ chain c {{ {chain} }}; }}\n")
    listener = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22); s.bind(('0.0.0.0', 7777)); "
        "print('ready', flush=True); input(); s.setblocking(False); n = 0\n"
        "try:\n    while s.recv(99): n += 1\n"
        "except BlockingIOError: print(n)\n"
    )
    sender = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"for _ in range(1000): s.sendto(bytes(20), ('{address}', 7777))"
    )
    with subprocess.Popen(
        lab.command(right, sys.executable, "-c", listener), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        found = trace(left, sys.executable, "-c", sender)
        received = int(process.communicate(b"\n")[0])
    dropped = drops(found)
    assert {each["outcome"]["reason"] for each in dropped} <= {"NETFILTER_DROP", "SOCKET_RCVBUFF"}
    assert sum(each["outcome"]["reason"] == "NETFILTER_DROP" for each in dropped) == 500
    assert len(found) == 1000
    assert received == len(found) - len(dropped)


def test_a_saved_capture_says_the_same_elsewhere(lab: Lab, tmp_path: Path) -> None:
    left, right, address = two(lab)
    rule(lab, right, "input")
    kept = tmp_path / "kept"
    argv = [PERFPATH, "record", "--packets", "none", "-o", str(kept), *lab.command(left, *ping(address))]
    subprocess.run(argv, check=False, capture_output=True, timeout=60)
    lab.close()
    report = subprocess.run(
        [PERFPATH, "report", "--format", "jsonl", str(kept)], check=True, capture_output=True, text=True
    )
    outcome = drops([json.loads(line) for line in report.stdout.splitlines()])[0]["outcome"]
    assert (outcome["reason"], outcome["hook"], outcome["netns"]["name"]) == ("NETFILTER_DROP", "INPUT", right)
    assert outcome["location"].startswith("nft_do_chain+")


def test_complete_recordings_say_who_read_what(lab: Lab, trace: Trace) -> None:
    """An echo server on TCP: every packet with data was read by a process in the namespace where it ended."""
    left, right, address = two(lab)
    server = (
        "import socket; s = socket.create_server(('0.0.0.0', 7777)); print('ready', flush=True)\n"
        "c, _ = s.accept()\n"
        "while data := c.recv(4096): c.sendall(data)\n"
    )
    client = (
        f"import socket; s = socket.create_connection(('{address}', 7777)); s.sendall(bytes(1000)); "
        "n = len(s.recv(1000, socket.MSG_WAITALL)); assert n == 1000"
    )
    with subprocess.Popen(lab.command(right, sys.executable, "-c", server), stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        found = trace(left, sys.executable, "-c", client, options=("-a", "--complete"))
        process.kill()
    assert [(each["outcome"], each["hops"]) for each in drops(found)] == []
    data = [journey for journey in found if journey["hops"] and journey["hops"][0]["len"] == 1066]
    assert len(data) == 2
    for journey in data:
        outcome, last = journey["outcome"], journey["hops"][-1]
        assert (outcome["kind"], outcome["netns"]) == ("delivered", last["netns"])
        assert outcome["comm"].startswith("python")
        assert outcome["pid"] > 0
