"""What --diagnose and top say of drops: commands that run where the drop was, and what healthy hosts drop too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perfpath.cli import main
from perfpath.netns.inventory import Inventory, Namespace
from perfpath.render.hop_tree import HopTree
from perfpath.render.places import Namer

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent.parent
SPACES = (
    Namespace(10, "host", "host"),
    Namespace(11, "web", "ip netns"),
    Namespace(12, "it's", "ip netns"),
    Namespace(13, "abc", "docker", path="/run/docker/netns/abc"),
    Namespace(14, "odd", "none"),
)


@pytest.mark.parametrize(
    ("netns", "name", "words"),
    [
        (10, None, ""),
        (11, "web", "ip netns exec web "),
        (12, None, "ip netns exec 'it'\"'\"'s' "),
        (13, None, "nsenter --net=/run/docker/netns/abc "),
        (14, None, "(in odd) "),
        (99, "ns-2", "(in ns-2) "),
        (99, None, "(in 99) "),
        (0, None, "(in its namespace) "),
    ],
)
def test_a_command_is_for_the_namespace_where_the_drop_was(netns: int, name: str | None, words: str) -> None:
    """Without that it would be run on the host, and show that all is well."""
    assert Namer(Inventory(SPACES)).enter(netns, name) == words


def test_a_recording_without_names_says_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--diagnose", str(ROOT / "samples/drop/perf.data")]) == 0
    out = capsys.readouterr().out
    assert "- (in ns-2) nft list ruleset" in out


def dropped(story: Any, reason: str, location: str, packets: int) -> None:
    for _ in range(packets):
        story.packet("tx eth0 host 0", "rx eth0 web 9")
        story.journeys[-1] |= {"outcome": "dropped", "reason": reason, "location": location, "end_netns": 11}


@pytest.fixture
def drops(story: Any) -> Any:
    """5 that healthy hosts drop too, 1 and 2 of two kinds that they don't."""
    dropped(story, "NOT_SPECIFIED", "ip_rcv_finish_core+0x25b", 5)
    dropped(story, "NETFILTER_DROP", "nft_do_chain+0x3e8", 1)
    dropped(story, "TCP_CSUM", "tcp_v4_rcv+0x1", 2)
    return story


def test_the_worst_comes_first_and_the_harmless_last(shown: Callable[..., str], drops: Any) -> None:
    lines = shown("diagnosis", drops).splitlines()
    kinds = [line for line in lines if "packet" in line[:12]]
    assert [line.split()[:3:2] for line in kinds[:3]] == [
        ["2", "TCP_CSUM"],
        ["1", "NETFILTER_DROP"],
        ["5", "NOT_SPECIFIED"],
    ]


def test_a_count_never_touches_the_reason(shown: Callable[..., str], story: Any) -> None:
    dropped(story, "TCP_CSUM", "tcp_v4_rcv+0x1", 1234)
    assert "1,234 packets  TCP_CSUM" in shown("diagnosis", story)


def test_what_healthy_hosts_drop_is_not_lost(shown: Callable[..., str], drops: Any) -> None:
    tree = HopTree()
    tree.add(drops.result())
    assert ([node.lost for _, node in tree.lines()], tree.harmless) == ([0, 3], 5)
    assert "5 packets dropped as on healthy hosts too" in shown("top", drops)


def test_without_its_event_nobody_can_tell_whether_packets_were_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--diagnose", str(ROOT / "samples/vxlan/perf.data")]) == 0
    told = capsys.readouterr().out
    assert "can't be told: skb:kfree_skb was not recorded" in told
    assert "no packet was seen" not in told
    assert main(["report", "--diagnose", str(ROOT / "samples/demo")]) == 0
    assert capsys.readouterr().out.startswith("no packet was seen to be dropped\n")


def test_top_counts_apart_what_was_first_seen_midway(shown: Any, story: Any) -> None:
    """A way that begins in the middle is none: what came before was lost. One that breaks off is no packet lost."""
    way = ("tx eth0 web 0", "rx vethweb host 9", "rx eth1 host 20")
    for hops, whole in ((way, True), (way[:2], False), (("rx vethweb host 9", "rx eth1 host 20"), False)):
        for _ in range(2):
            story.packet(*hops)
            story.journeys[-1] |= {"complete": whole}
    lines = shown("top", story).splitlines()
    assert [line.split("  ")[0] for line in lines if "eth" in line][:1] == ["eth0 >"]
    assert not [line for line in lines if line.startswith("> ")]
    assert "2 packets first seen midway, since events were lost: not in the table" in lines
    assert "2 packets that passed while events were lost: they may have come further than shown" in lines


@pytest.mark.parametrize(("dst", "bad"), [("10.0.0.1", True), ("239.1.2.3", False), ("fd00::1", True), (None, False)])
def test_a_martian_is_no_multicast_that_nobody_joined(
    dst: str | None, bad: bool, shown: Callable[..., str], story: Any
) -> None:
    dropped(story, "NOT_SPECIFIED", "ip_rcv_finish_core+0x25b", 1)
    story.journeys[-1] |= {"dst": dst}
    text = shown("diagnosis", story)
    assert ("seen on healthy hosts too" in text) != bad
    assert ("dropped: 1 packet" in text) == bad
