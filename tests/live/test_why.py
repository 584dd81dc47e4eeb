"""Why packets moved on, from real call stacks, live and from a capture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perfpath.catalogue import entries
from perfpath.journeys.steps import meaning

if TYPE_CHECKING:
    from perfpath.capture.lab import Lab

PERFPATH = str(Path(sys.executable).with_name("perfpath"))
Journey = dict[str, Any]


def record(folder: Path, *command: str) -> str:
    """A capture with call stacks of a command."""
    kept = str(folder / "kept")
    argv = [PERFPATH, "record", "--why", "--packets", "none", "-o", kept, *command]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    return kept


def whys(kept: str, *options: str) -> list[list[tuple[str, str | None]]]:
    """(device, why) of each hop of each journey in a capture."""
    argv = [PERFPATH, "report", "--format", "jsonl", *options, kept]
    text = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    return [[(hop["dev"], hop.get("why")) for hop in json.loads(line)["hops"]] for line in text.splitlines()]


@pytest.mark.perf
@pytest.mark.netns
def test_a_ping_over_a_bridge(lab: Lab, tmp_path: Path) -> None:
    web, net, port, bridge = lab.namespace("web"), lab.subnet(), f"{lab.prefix}w", f"{lab.prefix}b"
    lab.veth("", port, web, "eth0")
    lab.bridge("", bridge, port)
    lab.address("", bridge, f"{net[1]}/24")
    lab.address(web, "eth0", f"{net[2]}/24")
    lab.run("", "ping", "-c1", "-W2", str(net[2]))
    found = whys(record(tmp_path, "ping", "-c1", str(net[2])), "--dev", bridge)
    assert found == [
        [(bridge, "sent (raw)"), (port, "bridged"), ("eth0", "crossed veth")],
        [("eth0", "answered by icmp_echo"), (port, "crossed veth"), (bridge, "up from the bridge")],
    ]


@pytest.mark.perf
@pytest.mark.netns
def test_a_ping_through_a_router(lab: Lab, tmp_path: Path) -> None:
    left, router, right = (lab.namespace(label) for label in ("left", "router", "right"))
    one, other = lab.subnet(), lab.subnet()
    lab.veth(left, "eth0", router, "lan")
    lab.veth(router, "wan", right, "eth0")
    for netns, dev, address in ((left, "eth0", one[1]), (router, "lan", one[2]), (router, "wan", other[2])):
        lab.address(netns, dev, f"{address}/24")
    lab.address(right, "eth0", f"{other[1]}/24")
    lab.forward(router)
    lab.ip("route", "add", "default", "via", str(one[2]), netns=left)
    lab.ip("route", "add", "default", "via", str(other[2]), netns=right)
    lab.run(left, "ping", "-c1", "-W2", str(other[1]))
    request, reply = whys(record(tmp_path, *lab.command(left, "ping", "-c1", str(other[1]))), "--netns", router)
    there = [("eth0", "sent (raw)"), ("lan", "crossed veth"), ("wan", "routed"), ("eth0", "crossed veth")]
    back = ["answered by icmp_echo", "crossed veth", "routed", "crossed veth"]
    assert request == there
    assert [why for _, why in reply] == back


@pytest.mark.perf
def test_what_a_process_sends(tmp_path: Path) -> None:
    send = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))"
    kept = record(tmp_path, sys.executable, "-c", send)
    found = [why for journey in whys(kept, "--dev", "lo") for _, why in journey]
    assert found[:2] == ["sent (UDP)", "looped back"]
    assert "error answered by icmp_send" in found
    text = subprocess.run([PERFPATH, "report", "--stack", kept], check=True, capture_output=True, text=True).stdout
    assert "udp_sendmsg+0x" in text
    (Path(kept) / "symbols.json").unlink()
    bare = subprocess.run([PERFPATH, "report", "-v", kept], check=True, capture_output=True, text=True).stdout
    assert "sent (UDP)" not in bare
    assert "call stacks without names" in bare


def test_the_most_telling_function_counts() -> None:
    sent = ["__dev_queue_xmit", "ip_finish_output2", "ip_output", "ip_push_pending_frames"]
    assert meaning([*sent, "raw_sendmsg"]) == "sent (raw)"
    assert meaning([*sent, "icmp_push_reply", "icmp_reply", "icmp_echo", "icmp_rcv"]) == "answered by icmp_echo"
    assert meaning(["netif_rx_internal", "veth_xmit", "dev_hard_start_xmit", "raw_sendmsg"]) == "crossed veth"
    assert meaning([*sent, "iptunnel_xmit", "vxlan_xmit", "dev_hard_start_xmit"]) == "encapsulated: vxlan"


def test_rules_of_several_functions_ask_for_their_order() -> None:
    assert meaning(["__dev_queue_xmit", "ip_output", "__netif_receive_skb_one_core"]) == "routed"
    assert meaning(["__netif_receive_skb_one_core", "ip_output"]).startswith("by ")


def test_what_no_rule_knows_shows_its_functions() -> None:
    assert meaning(["one", "two", "two", "", "three", "four"]) == "by one < two < three"
    assert meaning(["", ""]) == ""
    assert meaning(["process_backlog", "raw_sendmsg"]) == ""


def test_the_rules_are_texts_for_people() -> None:
    assert all(label and len(label) < 40 for label in entries.steps().values())
