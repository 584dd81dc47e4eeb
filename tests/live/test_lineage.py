"""One packet becoming several, on real labs: each is linked to the packet it was made of, and says how."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from networks import wholes_of_segments

if TYPE_CHECKING:
    from perfpath.capture.lab import Lab

pytestmark = [pytest.mark.perf, pytest.mark.netns]
PERFPATH = str(Path(sys.executable).with_name("perfpath"))
STACKS = ("--why", "--complete", "--packets", "none")
BYTES = ("--packets", "socket")
Journey = dict[str, Any]
SERVE = (
    "import socket\ns = socket.create_server(('', 8080)); print('ready', flush=True); c = s.accept()[0]; n = 0\n"
    "while d := c.recv(1 << 20): n += len(d)\nprint(n)"
)
SEND = "import socket, sys; c = socket.create_connection((sys.argv[1], 8080)); c.sendall(bytes(int(sys.argv[2])))"


def recorded(lab: Lab, folder: Path, how: tuple[str, ...], *command: str) -> list[Journey]:
    """The journeys that the lab's devices saw while a command ran."""
    kept = str(folder / "kept")
    subprocess.run([PERFPATH, "record", *how, "-a", "-o", kept, *command], check=False, capture_output=True, timeout=60)
    text = subprocess.run([PERFPATH, "report", "--format", "jsonl", kept], check=True, capture_output=True, text=True)
    found = [json.loads(line) for line in text.stdout.splitlines()]
    return [each for each in found if any(ours(hop, lab) for hop in each["hops"])]


def ours(hop: dict[str, Any], lab: Lab) -> bool:
    spaces = [hop["netns"]] if hop["netns"] else hop.get("candidates", [])
    return any((space["name"] or "").startswith(lab.prefix) for space in spaces)


def two(lab: Lab) -> tuple[str, str, str]:
    left, right, net = lab.namespace("left"), lab.namespace("right"), lab.subnet()
    lab.veth(left, "lan0", right, "wan0")
    lab.address(left, "lan0", f"{net[1]}/24")
    lab.address(right, "wan0", f"{net[2]}/24")
    lab.run(left, "ping", "-c1", "-W2", str(net[2]))
    return left, right, str(net[2])


def transfer(lab: Lab, folder: Path, how: tuple[str, ...], ends: tuple[str, str, str]) -> list[Journey]:
    """The journeys of a TCP transfer of 50,000 bytes, which arrive."""
    left, right, address = ends
    with subprocess.Popen(lab.command(right, sys.executable, "-c", SERVE), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        server.stdout.readline()
        found = recorded(lab, folder, how, *lab.command(left, sys.executable, "-c", SEND, address, "50000"))
        assert server.stdout.readline() == "50000\n"
    return found


@pytest.mark.parametrize("how", [STACKS, BYTES], ids=["stacks", "bytes"])
def test_what_a_bridge_floods(how: tuple[str, ...], lab: Lab, tmp_path: Path) -> None:
    net, switch = lab.subnet(), lab.namespace("switch")
    boxes = [lab.namespace(f"box{number}") for number in range(4)]
    for number, box in enumerate(boxes):
        lab.veth(box, f"e{number}", switch, f"p{number}")
        lab.address(box, f"e{number}", f"{net[10 + number]}/24")
    lab.bridge(switch, "br0", *(f"p{number}" for number in range(4)))
    lab.ip("neigh", "add", str(net[77]), "lladdr", "02:00:00:00:00:77", "dev", "e0", netns=boxes[0])
    found = recorded(lab, tmp_path, how, *lab.command(boxes[0], "ping", "-c2", "-i0.05", "-W0.2", str(net[77])))
    found = [
        each for each in found if each["hops"][0]["len"] in {84, 98}
    ]  # the bridge reports its groups, now or later
    by_number = {each["journey"]: each for each in found}
    sent = [each for each in found if each["hops"][0]["dev"] == "e0"]
    copies = [each for each in found if each["parent"] is not None]
    assert len(sent) == 2
    assert all(each["lineage"] is None for each in sent)
    assert len(copies) == 4  # three ports, and one of them gets the packet itself
    assert {each["lineage"] for each in copies} == {"flooded copy" if how is STACKS else "copy"}
    for each in copies:
        assert each["hops"][0]["dev"] in {"p1", "p2", "p3"}
        assert by_number[each["parent"]] in sent
    for each in sent:
        ends = {each["hops"][-1]["dev"]} | {c["hops"][-1]["dev"] for c in copies if c["parent"] == each["journey"]}
        assert ends == {"e1", "e2", "e3"}


@pytest.mark.parametrize("how", [STACKS, BYTES], ids=["stacks", "bytes"])
def test_what_macvlan_hands_to_all(how: tuple[str, ...], lab: Lab, tmp_path: Path) -> None:
    net, left, host = lab.subnet(), lab.namespace("left"), lab.namespace("host")
    lab.veth(left, "e0", host, "low")
    lab.address(left, "e0", f"{net[1]}/24")
    for number in range(3):
        space = lab.namespace(f"m{number}")
        lab.ip("link", "add", "link", "low", "name", f"mv{number}", "type", "macvlan", "mode", "bridge", netns=host)
        lab.ip("link", "set", "dev", f"mv{number}", "netns", space, netns=host)
        lab.up(space, f"mv{number}")
        lab.address(space, f"mv{number}", f"{net[10 + number]}/24")
    found = recorded(lab, tmp_path, how, *lab.command(left, "ping", "-c1", "-W2", str(net[11])))
    copies = [each for each in found if each["lineage"] and each["hops"][0]["len"] == 28]
    assert {each["lineage"] for each in copies} == {"broadcast copy" if how is STACKS else "copy"}
    assert {each["hops"][0]["dev"] for each in copies} == {"mv0", "mv1", "mv2"}
    if how is BYTES:
        asked = next(each for each in found if each["packet"]["l4"] == "arp")
        assert {each["parent"] for each in copies} == {asked["journey"]}


def test_segments(lab: Lab, tmp_path: Path) -> None:
    left, right, address = two(lab)
    lab.run(left, "ethtool", "-K", "lan0", "tso", "off", "gso", "on")
    found = transfer(lab, tmp_path, STACKS, (left, right, address))
    for whole in wholes_of_segments(found):
        assert [hop["dev"] for hop in whole["hops"]] == ["lan0"]
    assert all(each["lineage"] in (None, "segment") for each in found)


@pytest.mark.parametrize("how", [STACKS, BYTES], ids=["stacks", "bytes"])
def test_fragments(how: tuple[str, ...], lab: Lab, tmp_path: Path) -> None:
    left, _, address = two(lab)
    found = recorded(lab, tmp_path, how, *lab.command(left, "ping", "-c2", "-i0.05", "-s4000", address))
    assert len(found) == 12
    if how is STACKS:
        assert all(each["lineage"] == "fragment" and each["parent"] is None for each in found)
        return
    first = [each for each in found if each["parent"] is None]
    assert len(first) == 4
    for each in first:
        others = [other for other in found if other["parent"] == each["journey"]]
        assert [other["lineage"] for other in others] == ["fragment"] * 2


@pytest.mark.parametrize("how", [STACKS, BYTES], ids=["stacks", "bytes"])
def test_what_a_router_fragments(how: tuple[str, ...], lab: Lab, tmp_path: Path) -> None:
    left, router, right = (lab.namespace(label) for label in ("left", "router", "right"))
    one, other = lab.subnet(), lab.subnet()
    lab.veth(left, "e0", router, "lan")
    lab.veth(router, "wan", right, "e1")
    for netns, dev, address in ((left, "e0", one[1]), (router, "lan", one[2]), (router, "wan", other[2])):
        lab.address(netns, dev, f"{address}/24")
    lab.address(right, "e1", f"{other[1]}/24")
    lab.forward(router)
    lab.ip("route", "add", "default", "via", str(one[2]), netns=left)
    lab.ip("route", "add", "default", "via", str(other[2]), netns=right)
    lab.ip("link", "set", "dev", "wan", "mtu", "1000", netns=router)
    lab.run(left, "ping", "-c1", "-W2", "-Mdont", "-s900", str(other[1]))
    ping = lab.command(left, "ping", "-c1", "-W1", "-Mdont", "-s1400", str(other[1]))
    found = [each for each in recorded(lab, tmp_path, how, *ping) if each["hops"][0]["dev"] in {"e0", "wan"}]
    whole = [each for each in found if each["hops"][0]["len"] == 1442]
    parts = [each for each in found if each["hops"][0]["dev"] == "wan" and each["hops"][0]["len"] in {1010, 466}]
    assert [[hop["dev"] for hop in each["hops"]] for each in whole] == [["e0", "lan"]]
    assert [[hop["dev"] for hop in each["hops"]] for each in parts] == [["wan", "e1"]] * 2
    assert [(each["parent"], each["lineage"]) for each in parts] == [(whole[0]["journey"], "fragment")] * 2


@pytest.mark.parametrize("how", [STACKS, BYTES], ids=["stacks", "bytes"])
def test_what_tcp_sends_again(how: tuple[str, ...], lab: Lab, tmp_path: Path) -> None:
    left, right, address = two(lab)
    rules = (
        "table inet t {\nchain c {\ntype filter hook prerouting priority 0\n"
        "tcp dport 8080 tcp flags & psh == psh numgen inc mod 3 == 1 counter drop\n}\n}\n"
    )
    lab.run(right, "nft", "-f", "-", stdin=rules)
    found = transfer(lab, tmp_path, how, (left, right, address))
    again = [each for each in found if each["lineage"] == "retransmission"]
    sent = int(lab.run(left, "nstat", "-asz", "TcpRetransSegs").stdout.split()[-2])
    assert sent > 0
    assert 0 < len(again) <= sent  # it counts segments, and one long packet is several
    assert all(each["hops"][0]["dev"] == "lan0" for each in again)
    if how is BYTES:
        dropped = {each["journey"] for each in found if (each["outcome"] or {}).get("reason") == "NETFILTER_DROP"}
        assert {each["parent"] for each in again} & dropped
    assert {each["lineage"] for each in found} == {None, "retransmission"}


def test_answers_are_nobodys_copies(lab: Lab, tmp_path: Path) -> None:
    left, right, address = two(lab)
    lab.run(left, "ip", "neigh", "flush", "all")
    found = recorded(lab, tmp_path, STACKS, *lab.command(left, "ping", "-c3", "-i0.01", address))
    found += transfer(lab, tmp_path / "more", STACKS, (left, right, address))
    assert len(found) > 10
    assert {each["lineage"] for each in found} == {None}


def test_the_tree_shows_branches(lab: Lab, tmp_path: Path) -> None:
    left, _, address = two(lab)
    kept = str(tmp_path / "kept")
    ping = lab.command(left, "ping", "-c1", "-s4000", address)
    subprocess.run([PERFPATH, "record", *BYTES, "-a", "-o", kept, *ping], check=True, capture_output=True, timeout=60)
    shown = subprocess.run([PERFPATH, "report", "--limit", "0", kept], check=True, capture_output=True, text=True)
    lines = shown.stdout.splitlines()
    assert (
        sum("  fragment of " in line and line.startswith("\N{BOX DRAWINGS LIGHT UP AND RIGHT} ") for line in lines) == 4
    )
