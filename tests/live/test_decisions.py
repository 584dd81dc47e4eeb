"""What tables said about packets, from real labs whose routes and neighbours are known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perfpath.journeys.verdicts import gateway_of

if TYPE_CHECKING:
    from perfpath.capture.lab import Lab

PERFPATH = str(Path(sys.executable).with_name("perfpath"))
Journey = dict[str, Any]
NONE = "0.0.0.0"  # noqa: S104 - no address to listen on


def routed(lab: Lab) -> tuple[str, str, str, str, str, str]:
    """(left, router, right, address of left, of the router on its side, of right); no neighbour is known."""
    left, router, right = (lab.namespace(label) for label in ("left", "router", "right"))
    one, other = lab.subnet(), lab.subnet()
    lab.veth(left, f"{lab.prefix}e", router, f"{lab.prefix}l")
    lab.veth(router, f"{lab.prefix}w", right, f"{lab.prefix}e")
    for netns, dev, address in (
        (left, f"{lab.prefix}e", one[1]),
        (router, f"{lab.prefix}l", one[2]),
        (router, f"{lab.prefix}w", other[2]),
    ):
        lab.address(netns, dev, f"{address}/24")
    lab.address(right, f"{lab.prefix}e", f"{other[1]}/24")
    lab.forward(router)
    lab.ip("route", "add", "default", "via", str(one[2]), netns=left)
    lab.ip("route", "add", "default", "via", str(other[2]), netns=right)
    return left, router, right, str(one[1]), str(one[2]), str(other[1])


def kept(folder: Path, *command: str) -> list[Journey]:
    """The journeys of a capture with decisions, as a report shows them."""
    where = str(folder / "kept")
    subprocess.run(
        [PERFPATH, "record", "--decisions", "-o", where, *command], capture_output=True, check=False, timeout=60
    )
    text = subprocess.run(
        [PERFPATH, "report", "--format", "jsonl", where], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    return [json.loads(line) for line in text.splitlines()]


def at(journey: Journey, dev: str, netns: str) -> list[dict[str, Any]]:
    """What was decided at one place on a packet's way."""
    hops = [hop for hop in journey["hops"] if hop["dev"] == dev and hop["netns"] and hop["netns"]["name"] == netns]
    return [decision for hop in hops for decision in hop.get("decisions", [])]


def echo(journeys: list[Journey], source: str) -> Journey:
    (found,) = [
        each
        for each in journeys
        if each["packet"] and each["packet"].get("icmp_seq") == 1 and each["packet"]["src"] == source
    ]
    return found


@pytest.mark.perf
@pytest.mark.netns
def test_routes_and_neighbours_of_a_ping(lab: Lab, tmp_path: Path) -> None:
    left, router, right, source, gateway, target = routed(lab)
    found = kept(tmp_path, *lab.command(left, "ping", "-c1", "-W2", target))
    request, reply = echo(found, source), echo(found, target)
    routes = [
        (place, each["for"], each["src"], each["dst"], each["dev"], each["error"])
        for place, dev in ((left, f"{lab.prefix}e"), (router, f"{lab.prefix}l"), (right, f"{lab.prefix}e"))
        for each in at(request, dev, place)
        if each["kind"] == "route"
    ]
    assert routes == [
        (left, "output", None, target, f"{lab.prefix}e", None),
        (router, "input", source, target, f"{lab.prefix}w", None),
        (right, "input", source, target, f"{lab.prefix}e", None),
    ]
    waited = [each for each in at(request, f"{lab.prefix}e", left) if each["kind"] == "neighbour"]
    assert [(each["what"], each["address"], each["state"]) for each in waited] == [("waited for", gateway, "reachable")]
    assert waited[0]["mac"] == lab.run(router, "cat", f"/sys/class/net/{lab.prefix}l/address").stdout.strip()
    output = [each for each in at(reply, f"{lab.prefix}e", right) if each["kind"] == "route"]
    assert [(each["for"], each["src"], each["dst"]) for each in output] == [("output", target, source)]
    (question,) = [
        each
        for each in found
        if each["packet"]
        and each["packet"].get("dst") == gateway
        and each["packet"]["l4"] == "arp"
        and each["packet"]["src"] == source
    ]
    assert {"asked", "answered"} == {
        each["what"]
        for hop in question["hops"]
        for each in hop.get("decisions", [])
        if each["kind"] == "neighbour" and each["address"] in (gateway, source)
    }


@pytest.mark.perf
@pytest.mark.netns
def test_gateways_are_those_of_the_routes(lab: Lab, tmp_path: Path) -> None:
    """The kernel's event leaves rubbish where a route has no gateway: none of it may be shown."""
    left, _, _, source, gateway, target = routed(lab)
    back = target.rsplit(".", 1)[0] + ".2"
    found = kept(tmp_path, *lab.command(left, "ping", "-c3", "-i0.05", "-W2", target))
    said = {
        (each["src"] or source, each["dst"], each["gateway"])
        for journey in found
        for hop in journey["hops"]
        for each in hop.get("decisions", [])
        if each["kind"] == "route" and each["gateway"] and {each["dst"]} <= {source, target}
    }
    assert said <= {(source, target, gateway), (target, source, back)}


@pytest.mark.perf
@pytest.mark.netns
def test_where_nobody_answered(lab: Lab) -> None:
    """The drop comes from a timer, on any CPU, with no namespace in it: the neighbour tells."""
    left, _, _, source, _, _ = routed(lab)
    missing = source.rsplit(".", 1)[0] + ".77"
    argv = [PERFPATH, "-a", "--decisions", "--format", "jsonl", "-o", "-"]
    command = lab.command(left, "ping", "-c2", "-i1", "-W4", missing)
    text = subprocess.run([*argv, *command], capture_output=True, text=True, check=False, timeout=60).stdout
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    failed = [
        each
        for each in lines
        if each["outcome"]
        and each["outcome"]["reason"] == "NEIGH_FAILED"
        and any(said.get("address") == missing for said in each.get("decisions", []))
    ]
    assert failed
    assert {each["outcome"]["netns"]["name"] for each in failed} == {left}
    kinds = {said["kind"] for each in failed for said in each["decisions"]}
    assert kinds == {"icmp error", "neighbour"}


@pytest.mark.perf
@pytest.mark.netns
def test_errors_and_resets_are_of_the_packets_they_answer(lab: Lab, tmp_path: Path) -> None:
    left, _, right, source, _, target = routed(lab)
    lab.run(left, "ping", "-c1", "-W2", target)
    udp = f"exec 3<>/dev/udp/{target}/9 && echo x >&3; exec 4<>/dev/tcp/{target}/9"
    found = kept(tmp_path, *lab.command(left, "bash", "-c", udp))
    said = {
        (each["packet"]["l4"], decision["kind"], decision.get("code"), decision.get("what"))
        for each in found
        if each["packet"] and each["packet"].get("src") == source
        for decision in at(each, f"{lab.prefix}e", right)
        if decision["kind"] in ("icmp error", "tcp")
    }
    assert said == {("udp", "icmp error", 3, None), ("tcp", "tcp", None, "reset sent")}


@pytest.mark.perf
@pytest.mark.netns
def test_a_lookup_that_made_no_packet_is_told_of(lab: Lab, tmp_path: Path) -> None:
    alone = lab.namespace("alone")
    argv = [
        PERFPATH,
        "--decisions",
        "-v",
        "-o",
        str(tmp_path / "out"),
        *lab.command(alone, "ping", "-c1", "203.0.113.9"),
    ]
    said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60).stderr
    assert "route lookups that failed" in said
    assert "to 203.0.113.9: ENETUNREACH" in said


@pytest.mark.perf
@pytest.mark.netns
def test_what_a_bridge_learns(lab: Lab, tmp_path: Path) -> None:
    left, middle, right, net = *(lab.namespace(label) for label in ("left", "middle", "right")), lab.subnet()
    lab.veth(left, f"{lab.prefix}e", middle, "port0")
    lab.veth(right, f"{lab.prefix}e", middle, "port1")
    lab.bridge(middle, "br0", "port0", "port1")
    lab.address(left, f"{lab.prefix}e", f"{net[1]}/24")
    lab.address(right, f"{lab.prefix}e", f"{net[2]}/24")
    lab.ip("link", "set", "dev", "br0", "type", "bridge", "fdb_flush", netns=middle)
    mac = lab.run(left, "cat", f"/sys/class/net/{lab.prefix}e/address").stdout.strip()
    found = kept(tmp_path, *lab.command(left, "ping", "-c1", "-W2", str(net[2])))
    learned = [each for journey in found for each in at(journey, "port0", middle) if each["kind"] == "learned"]
    assert {(each["mac"], each["port"]) for each in learned} == {(mac, "port0")}


@pytest.mark.perf
@pytest.mark.netns
def test_what_tcp_sends_again(lab: Lab, tmp_path: Path) -> None:
    """The first packet with data is dropped, and then it is sent again: for certain, and whenever."""
    left, _, right, source, _, target = routed(lab)
    lab.run(left, "ping", "-c1", "-W2", target)
    lab.run(right, "nft", "-f", "-", stdin=RETRY)
    serve = (
        "import socket; socket.setdefaulttimeout(20); s = socket.create_server(('', 7777))\n"
        "print('ready', flush=True); s.accept()[0].recv(9)"
    )
    with subprocess.Popen(lab.command(right, sys.executable, "-c", serve), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        server.stdout.readline()
        send = (
            "import socket; socket.setdefaulttimeout(20)\n"
            f"s = socket.create_connection(('{target}', 7777)); s.send(b'x'); s.recv(1)"
        )
        found = kept(tmp_path, *lab.command(left, sys.executable, "-c", send))
    again = {
        (each["packet"]["src"], each["packet"]["dport"], said["what"], said["state"])
        for each in found
        if each["packet"]
        for said in at(each, f"{lab.prefix}e", left)
        if said["kind"] == "tcp" and said["what"] == "retransmitted"
    }
    assert again == {(source, 7777, "retransmitted", "TCP_ESTABLISHED")}


def test_rubbish_is_no_gateway() -> None:
    assert gateway_of({"gw4": "10.0.0.1", "gw6": "::"}) == "10.0.0.1"
    assert gateway_of({"gw4": NONE, "gw6": "fe80::1"}) == "fe80::1"
    assert gateway_of({"gw4": "2.0.0.0", "gw6": "0:0:9d03:89ff:200::"}) is None
    assert gateway_of({"gw4": NONE, "gw6": "::"}) is None
    assert gateway_of({"gw": "::"}) is None


RETRY = """table inet t { chain c { type filter hook input priority 0;
  tcp dport 7777 tcp flags & psh == psh numgen inc mod 1000 < 2 drop
}; };
"""
RULES = """table inet t {
  chain p { type filter hook prerouting priority -300; icmp type echo-request meta nftrace set 1; };
  chain c { type filter hook input priority 0; icmp type echo-request counter drop; };
};
"""


@pytest.mark.perf
@pytest.mark.netns
def test_verdicts_of_the_users_trace_rules(lab: Lab, tmp_path: Path) -> None:
    """They are joined live and from the capture, elsewhere too; the ruleset stays what it was."""
    left, _, right, source, _, target = routed(lab)
    lab.run(left, "ping", "-c1", "-W2", target)
    lab.run(right, "nft", "-f", "-", stdin=RULES)
    before = lab.run(right, "nft", "-s", "list", "ruleset").stdout
    command = lab.command(left, "ping", "-c4", "-i0.2", "-W0.3", target)
    live, saved = tmp_path / "live", tmp_path / "saved"
    argv = [PERFPATH, "--decisions", "--format", "jsonl", "-o", str(live), "--save", str(saved), *command]
    subprocess.run(argv, capture_output=True, check=False, timeout=60)
    assert lab.run(right, "nft", "-s", "list", "ruleset").stdout == before
    lab.close()
    report = [PERFPATH, "report", "--format", "jsonl", str(saved)]
    later = subprocess.run(report, check=True, capture_output=True, text=True, timeout=60).stdout
    for text in (live.read_text(), later):
        journeys = [json.loads(line) for line in text.splitlines()]
        echoes = [
            each
            for each in journeys
            if each["packet"]
            and each["packet"]["src"] == source
            and each["packet"].get("icmp_seq") in (1, 2, 3, 4)
            and each["packet"]["dst"] == target
        ]
        assert len(echoes) == 4
        joined = 0  # under load a packet socket may miss one, and then nothing is certain
        for journey in echoes:
            said = [
                (each["type"], each["chain"], each["rule"], each["verdict"])
                for each in at(journey, f"{lab.prefix}e", right)
                if each["kind"] == "firewall"
            ]
            joined += bool(said)
            if not said:
                continue
            assert said[0] == ("rule", "p", "icmp type echo-request meta nftrace set 1", "continue")
            assert said[-1] == ("rule", "c", "icmp type echo-request counter drop", "drop")
            assert ("policy", "p", None, "accept") in said
        assert joined


@pytest.mark.perf
@pytest.mark.netns
def test_routes_of_ipv6(lab: Lab, tmp_path: Path) -> None:
    left, right = lab.namespace("left"), lab.namespace("right")
    lab.veth(left, "lan0", right, "wan0")
    for netns, dev, address in ((left, "lan0", "fd01::1"), (right, "wan0", "fd01::2")):
        lab._sysctl(netns, f"net/ipv6/conf/{dev}/accept_dad", "0")  # addresses can be used at once
        lab._sysctl(netns, f"net/ipv6/conf/{dev}/disable_ipv6", "0")
        lab.address(netns, dev, f"{address}/64")
    lab.run(left, "timeout", "10", "sh", "-c", "until ping -c1 -W0.2 fd01::2; do :; done")
    found = kept(tmp_path, *lab.command(left, "ping", "-c7", "-i0.05", "-W2", "fd01::2"))
    requests = [each for each in found if (each["packet"] or {}).get("icmp_seq") and each["role"] == "request"]
    said = [
        (netns, each["dst"], each["dev"], each["error"], each["table"])
        for dev, netns in (("lan0", left), ("wan0", right))
        for request in requests
        for each in at(request, dev, netns)
        if each["kind"] == "route"
    ]
    assert (left, "fd01::2", "lan0", None, 254) in said
    assert {table for *_, error, table in said if error} <= {255}  # none there: the main table is asked next
