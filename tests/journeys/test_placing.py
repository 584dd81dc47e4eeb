"""Where hops are that several namespaces could have: macvlan neighbours, what a program writes to a tap, lost peers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from walks import PROCESS, SOFTIRQ, Hop, table_of

from perfpath.diagnostics import Diagnostics
from perfpath.journeys.tracker import Options, Result, follow
from perfpath.netns.inventory import Interface, Inventory, Namespace

HOST, BELOW, OUTSIDE, BOX, NODE, POD = 4026531840, 4026532001, 4026532002, 4026532010, 4026532020, 4026532021
TX, RX, UP = "net_dev_queue", "netif_rx", "netif_receive_skb_entry"
ASKED, ANSWER = 0xFFFF888100000100, 0xFFFF888100000200


def hop(time_us: float, event: str, length: int, *, dev: str = "eth0", flags: int = SOFTIRQ, task: int = HOST) -> Hop:
    address = ASKED if time_us < 10 else ANSWER
    return Hop(int(1e9 + time_us * 1000), 0, event, dev, address, length, flags, task, 7, 0, 0)


def places(result: Result) -> list[int]:
    netns: list[int] = result.hops["netns"].tolist()
    return netns


def veth(netns: int, index: int, name: str, peer_netns: int, peer: int, *, master: int = 0) -> Interface:
    return Interface(netns, index, name, "veth", master=master, peer=peer, peer_netns=peer_netns)


def macvlans(count: int, mode: str = "bridge") -> Inventory:
    """So many namespaces with a macvlan on one device, whose other end is outside; all are called eth0."""
    boxes = [
        Interface(BOX + number, 3, "eth0", "macvlan", lower=2, lower_netns=BELOW, details={"mode": mode})
        for number in range(count)
    ]
    return Inventory(
        (
            Namespace(HOST, "host", "host"),
            Namespace(BELOW, "below", interfaces=(veth(BELOW, 2, "eth0", OUTSIDE, 2),)),
            Namespace(OUTSIDE, "outside", interfaces=(veth(OUTSIDE, 2, "eth0", BELOW, 2),)),
            *(Namespace(box.netns, f"box{box.netns}", interfaces=(box,)) for box in boxes),
        )
    )


@pytest.mark.parametrize(("count", "answers_in"), [(2, BOX + 1), (3, 0)])
def test_macvlan_neighbours(count: int, answers_in: int) -> None:
    """A frame for a neighbour shows at the device below both; with two on it, it is the other one that answers."""
    asked = [hop(0, TX, 98, flags=PROCESS, task=BOX), hop(2, RX, 84)]
    answer = [hop(12, TX, 98), hop(14, RX, 84)]
    result = follow(table_of(asked + answer), macvlans(count), Diagnostics())
    assert result.journeys.texts("role") == ["request", "reply"]
    assert places(result) == [BOX, BELOW, answers_in, BELOW if answers_in else 0]


def test_where_a_sender_is_not_listed_its_macvlan_is_not_either() -> None:
    """Two of three are listed, and a process in the third has sent: neither that nor what answers is certain."""
    inventory = macvlans(3)
    less = Inventory(inventory.namespaces[:-1])
    asked = [hop(0, TX, 98, flags=PROCESS, task=BOX + 2), hop(2, RX, 84)]
    answer = [hop(12, TX, 98), hop(14, RX, 84)]
    assert places(follow(table_of(asked + answer), less, Diagnostics())) == [BOX + 2, 0, 0, 0]
    for task, found in ((BOX + 2, [0, 0, 0]), (BOX, [0, BELOW, OUTSIDE])):
        out = [hop(0, TX, 98, task=task), hop(1, TX, 98, task=task), hop(2, RX, 84, task=task)]
        assert places(follow(table_of(out), less, Diagnostics())) == found


@pytest.mark.parametrize(("mode", "senders"), [("bridge", 4), ("private", 2)])
def test_macvlans_that_keep_to_themselves(mode: str, senders: int) -> None:
    """In private mode no frame goes from one to another: what is sent and then received crossed the pair."""
    table = table_of([hop(0, TX, 98), hop(2, RX, 84)])
    result = follow(table, macvlans(2, mode), Diagnostics())
    assert [len((each or "").split(",")) for each in result.hops.texts("candidates")] == [senders, 2]


def test_whoever_sends_next_empties_the_queue_of_a_macvtap() -> None:
    """As found on Linux 6.18: what one ping had put into it was sent below by another one, on another CPU.

    That is one packet's way, and no evidence of where the other ping is.
    """
    queued = [replace(hop(0, TX, 98, flags=PROCESS, task=BOX), tid=7)]
    queued.append(replace(hop(3, TX, 98, flags=PROCESS, task=BOX + 1), tid=8, cpu=1))
    queued.append(replace(hop(5, RX, 84, flags=PROCESS, task=BOX + 1), tid=8, cpu=1))
    taps = macvlans(2)
    for kind, journeys, second in (("macvtap", 1, 0), ("macvlan", 2, BOX + 1)):
        spaces = [
            replace(each, interfaces=tuple(replace(one, kind=kind) for one in each.interfaces))
            if each.inum >= BOX
            else each
            for each in taps.namespaces
        ]
        result = follow(table_of(queued), replace(taps, namespaces=tuple(spaces)), Diagnostics())
        assert len(result.journeys) == journeys
        assert places(result)[:2] == [BOX, second]


@pytest.mark.parametrize(("mode", "length", "found"), [("l3", 42, 0), ("l3", 98, BOX), ("l2", 42, BOX), ("", 86, 0)])
def test_a_routing_ipvlan_has_neighbours_asked_for_below(mode: str, length: int, found: int) -> None:
    """As found on Linux 6.12: in the context of a process in a box, the question left by the device below."""
    boxes = macvlans(2)
    spaces = [
        replace(
            each,
            interfaces=tuple(
                replace(one, kind="ipvlan", details={"mode": mode} if mode else {}) if one.kind == "macvlan" else one
                for one in each.interfaces
            ),
        )
        for each in boxes.namespaces
    ]
    table = table_of([hop(0, TX, length, flags=PROCESS, task=BOX)])
    assert places(follow(table, replace(boxes, namespaces=tuple(spaces)), Diagnostics())) == [found]


def node(netns: int, pod: int, tap: str) -> tuple[Namespace, ...]:
    """A bridge with a tap and a pod's veth on it."""
    ports = (Interface(netns, 2, tap, "tun", master=4), veth(netns, 3, "veth0", pod, 2, master=4))
    return (
        Namespace(netns, f"node{netns}", interfaces=(*ports, Interface(netns, 4, "br0", "bridge"))),
        Namespace(pod, f"pod{pod}", interfaces=(veth(pod, 2, "eth0", netns, 3),)),
    )


TAPS = Inventory((Namespace(HOST, "host", "host"), *node(NODE, POD, "tap0"), *node(NODE + 10, POD + 10, "tap1")))
WRITTEN = {"flags": PROCESS, "task": NODE}


def test_an_answer_in_the_context_of_who_wrote_to_a_tap_is_not_its_own() -> None:
    """The kernel answers at once what a program writes, in that program's context: at tap1's node, not the program's.

    `br0` stands in both; that the answer goes out by tap1 tells which.
    """
    asked = [hop(0, UP, 84, dev="tap1", **WRITTEN), hop(2, UP, 84, dev="br0", **WRITTEN)]
    answer = [hop(12, TX, 98, dev="br0", **WRITTEN), hop(14, TX, 98, dev="tap1", **WRITTEN)]
    assert places(follow(table_of(asked + answer), TAPS, Diagnostics())) == [NODE + 10] * 4
    assert places(follow(table_of(asked + answer[:1]), TAPS, Diagnostics()))[2] == 0
    on_its_own = [hop(12, TX, 98, dev="br0", **WRITTEN)]
    assert places(follow(table_of(on_its_own), TAPS, Diagnostics())) == [NODE]


@pytest.mark.parametrize(("task", "known"), [(HOST, True), (NODE, False)])
def test_what_a_program_writes_goes_on_where_the_tap_is(task: int, known: bool) -> None:
    """Unless the program may have sent by a device of that name itself, and the kernel dropped what it wrote."""
    way = [hop(0, UP, 84, dev="tap1", flags=PROCESS, task=task), hop(2, TX, 98, dev="veth0", flags=PROCESS, task=task)]
    way.append(hop(4, RX, 84, flags=PROCESS, task=task))
    found = places(follow(table_of(way), TAPS, Diagnostics()))
    assert found == ([NODE + 10, NODE + 10, POD + 10] if known else [NODE + 10, 0, 0])


@pytest.mark.parametrize(("port", "placed"), [("urvp", (0, None)), ("vetha373ab6", (HOST, None))])
def test_without_an_inventory_a_known_namespace_gets_no_second_name(port: str, placed: tuple[int, str | None]) -> None:
    """A bridge and its port are in one namespace, and the sender says which: never `ns-1` for the port beside it."""
    hops = [
        hop(0, TX, 98, dev="br9", flags=PROCESS),
        hop(2, TX, 98, dev=port, flags=PROCESS),
        hop(4, RX, 84, flags=PROCESS),
        hop(12, TX, 98),
        hop(14, RX, 84, dev=port),
        hop(16, UP, 84, dev="br9"),
    ]
    result = follow(table_of(hops), None, Diagnostics())
    found = list(zip(places(result), result.hops.texts("netns_name"), strict=True))
    assert found[0] == (HOST, None)
    assert found[1] == placed
    assert found[2] == found[3] == (0, "ns-1")
    assert found[4] == placed


def lost(netns: int = BOX) -> Interface:
    """One end of a pair whose other end nobody listed."""
    return veth(netns, 2, "eth0", 0, 0)


LONE = Inventory((Namespace(HOST, "host", "host"), Namespace(BOX, "box", interfaces=(lost(),))))
CROSSED, RETURNED = [hop(0, TX, 98), hop(2, RX, 84)], [hop(12, TX, 98), hop(14, RX, 84)]


def test_nothing_arrives_at_the_end_it_was_sent_by() -> None:
    """The other end is called alike, in a namespace that isn't listed: which of the two is which, nobody knows."""
    result = follow(table_of(CROSSED + RETURNED), LONE, Diagnostics())
    assert len(result.journeys) == 2  # neither is cut: that it crosses a pair is no contradiction
    assert places(result) == [0, 0, 0, 0]
    assert result.hops.texts("candidates") == [str(BOX)] * 4


def test_what_a_process_sent_over_a_lost_pair_is_known_to_the_pair() -> None:
    """Beyond it anything may be called anything: also what passes a second device of that name."""
    sent = [hop(0, TX, 98, flags=PROCESS, task=BOX), hop(2, RX, 84), hop(4, TX, 98)]
    assert places(follow(table_of(sent), LONE, Diagnostics())) == [BOX, 0, 0]


def test_a_name_that_is_not_listed_shows_that_something_is_not() -> None:
    """`veth77` stands in no namespace of the inventory: its peer may be this `eth0`, or another's."""
    table = table_of([hop(0, TX, 98, dev="veth77"), hop(2, RX, 84)])
    assert places(follow(table, LONE, Diagnostics())) == [0, 0]


@pytest.mark.parametrize("way", ["there", "back"])
def test_a_pairs_end_is_reached_from_its_other_end_and_no_other(way: str) -> None:
    """The inventory is of later: `veth5`, which led to a container that is gone, isn't listed; `veth6` is."""
    host = Namespace(HOST, "host", "host", interfaces=(veth(HOST, 6, "veth6", BOX, 2),))
    inventory = Inventory((host, Namespace(BOX, "stays", interfaces=(veth(BOX, 2, "eth0", HOST, 6),))), 1, 1)
    hops = (
        [hop(0, TX, 98, dev="veth5"), hop(2, RX, 84)]
        if way == "there"
        else [hop(0, TX, 98), hop(2, RX, 84, dev="veth5")]
    )
    assert places(follow(table_of(hops), inventory, Diagnostics())) == [0, 0]


@pytest.mark.parametrize(("elsewhere", "packets"), [(False, 1), (True, 2)])
def test_who_receives_a_packet_forwards_it_there(elsewhere: bool, packets: int) -> None:
    """The recording itself has the namespaces: the next to send from the same address is another packet, elsewhere."""
    hops = [hop(0, TX, 98), hop(2, RX, 84), hop(4, TX, 98, dev="eth1"), hop(6, RX, 84)]
    known = [BELOW, NODE, BOX if elsewhere else NODE, POD]
    table = table_of(hops).extended(netns=np.array(known, np.uint32))
    assert len(follow(table, None, Diagnostics()).journeys) == packets


HOSTS = (
    veth(HOST, 5, "veth5", 0, 0, master=4),
    Interface(HOST, 4, "docker0", "bridge"),
    Interface(HOST, 2, "eth0"),
)
PINGED = [
    hop(0, TX, 98, dev="docker0", flags=PROCESS, task=HOST),
    hop(1, TX, 98, dev="veth5"),
    hop(2, RX, 84),
    hop(12, TX, 98),
    hop(14, RX, 84, dev="veth5"),
    hop(15, UP, 84, dev="docker0"),
]


def test_a_containers_eth0_is_not_the_hosts_card() -> None:
    """Only the host is listed: no packet comes from a veth to a network card, nor is it cut between the two."""
    result = follow(table_of(PINGED), Inventory((Namespace(HOST, "host", "host", interfaces=HOSTS),)), Diagnostics())
    assert result.journeys.texts("role") == ["request", "reply"]
    assert places(result) == [HOST, HOST, 0, 0, HOST, HOST]


def test_a_lost_pair_beside_takes_nothing_from_one_that_is_known() -> None:
    ports = (veth(HOST, 5, "veth5", BOX, 2, master=4), *HOSTS[1:])
    spaces = [Namespace(HOST, "host", "host", interfaces=ports)]
    spaces.append(Namespace(BOX, "box", interfaces=(veth(BOX, 2, "eth0", HOST, 5),)))
    spaces.append(Namespace(BOX + 1, "beside", interfaces=(lost(BOX + 1),)))
    result = follow(table_of(PINGED), Inventory(tuple(spaces)), Diagnostics())
    assert places(result) == [HOST, HOST, BOX, BOX, HOST, HOST]


@pytest.mark.parametrize(("asked", "known"), [(None, True), (1, False)])
def test_two_lost_ends_are_no_pair_where_the_kernel_was_asked(asked: int | None, known: bool) -> None:
    """A look at the kernel finds every pair whose ends it both sees; by hand, what fits is taken for complete."""
    host = Namespace(HOST, "host", "host", interfaces=(veth(HOST, 5, "veth5", 0, 0),))
    inventory = Inventory((host, Namespace(BOX, "box", interfaces=(lost(),))), taken_ns=asked, done_ns=asked)
    table = table_of([hop(0, TX, 98, dev="veth5", flags=PROCESS, task=HOST), hop(2, RX, 84)])
    assert places(follow(table, inventory, Diagnostics())) == [HOST, BOX if known else 0]


BORN = 900_000_000  # ns; the hops are at 1 s


def brief(unseen: bool) -> Inventory:
    """A container whose port is called as one's before it, which no look saw: only the kernel's word of it is left."""
    port = Interface(HOST, 6, "veth5", "veth", peer=2, peer_netns=BOX, born_ns=BORN)
    before = Interface(HOST, 5, "veth5", "veth", born_ns=BORN, gone_ns=2 * BORN)
    spaces = [Namespace(HOST, "host", "host", interfaces=(*((before,) if unseen else ()), port))]
    spaces.append(Namespace(BOX, "box", born_ns=BORN, interfaces=(veth(BOX, 2, "eth0", HOST, 6),)))
    spaces.append(Namespace(BELOW, "other", interfaces=(veth(BELOW, 2, "eth0", OUTSIDE, 2),)))
    spaces.append(Namespace(OUTSIDE, "outside", interfaces=(veth(OUTSIDE, 2, "lan0", BELOW, 2),)))
    return Inventory(tuple(spaces), 2 * BORN, 2 * BORN)


@pytest.mark.parametrize("unseen", [False, True])
def test_what_led_to_a_container_that_no_look_saw_may_have_led_there(unseen: bool) -> None:
    there = [hop(0, TX, 98, dev="veth5"), hop(2, RX, 84)]
    back = [hop(12, TX, 98), hop(14, RX, 84, dev="veth5")]
    result = follow(table_of(there + back), brief(unseen), Diagnostics(), Options(monotonic=True))
    assert places(result) == ([0, 0, 0, 0] if unseen else [HOST, BOX, BOX, HOST])


def test_an_inode_given_out_again_is_not_the_one_of_before() -> None:
    """A process of a namespace that no look saw, whose inode number a later one has: it isn't the listed container."""
    late = Namespace(OUTSIDE + 9, "late", born_ns=2 * BORN, interfaces=(Interface(OUTSIDE + 9, 2, "lan9", born_ns=1),))
    inventory = brief(unseen=True)
    inventory = Inventory((*inventory.namespaces, late), 2 * BORN, 2 * BORN)
    sent = [hop(0, TX, 98, flags=PROCESS, task=late.inum), hop(2, RX, 84, dev="veth5")]
    result = follow(table_of(sent), inventory, Diagnostics(), Options(monotonic=True))
    assert places(result)[0] == late.inum
    assert result.hops.texts("netns_name")[0] is None


def test_a_question_with_the_address_of_the_last_tells_nothing_of_it() -> None:
    """A router asks one neighbour, whose answer comes, and then the other: nothing was forwarded."""
    inventory = Inventory(
        (
            Namespace(HOST, "host", "host"),
            Namespace(BOX, "a", interfaces=(veth(BOX, 2, "eth0", NODE, 2),)),
            Namespace(NODE, "r", interfaces=(veth(NODE, 2, "eth0", BOX, 2), veth(NODE, 3, "eth1", POD, 2))),
            Namespace(POD, "b", interfaces=(veth(POD, 2, "eth0", NODE, 3),)),
        )
    )
    first = [hop(0, TX, 42), hop(2, RX, 28)]
    between = [hop(12, TX, 42, dev="eth0"), hop(14, RX, 28, dev="eth1")]
    second = [replace(hop(9, TX, 42, dev="eth1"), time=1_000_650_000), replace(hop(9, RX, 28), time=1_000_652_000)]
    result = follow(table_of(first + between + second), inventory, Diagnostics())
    at = sorted(zip(result.hops["time_ns"].tolist(), places(result), strict=True))
    assert [netns for _, netns in at] == [0, 0, POD, NODE, NODE, POD]


STAYS = OUTSIDE + 20
LONE_PORT = veth(HOST, 5, "v1", 0, 0)


def router(first: int) -> tuple[Namespace, ...]:
    """A lab of three: two hosts whose `eth0` lead to the ports of a router."""
    ports = veth(first + 1, 2, "port1", first, 2), veth(first + 1, 3, "port2", first + 2, 2)
    return (
        Namespace(first, "a", interfaces=(veth(first, 2, "eth0", first + 1, 2),)),
        Namespace(first + 1, "r", interfaces=ports),
        Namespace(first + 2, "b", interfaces=(veth(first + 2, 2, "eth0", first + 1, 3),)),
    )


def test_a_lab_of_the_same_names_is_not_the_one_before_it() -> None:
    """The inventory is of the end, when all of it had been made anew; only the sender's number is another one now."""
    host = Namespace(HOST, "host", "host", interfaces=(Interface(HOST, 2, "eth0"),))
    asked = [hop(0, TX, 98, flags=PROCESS, task=BOX), hop(1, RX, 84, dev="port1", task=BOX)]
    asked += [hop(3, TX, 98, dev="port2", task=BOX), hop(4, RX, 84, task=BOX)]
    for late, found in ((BOX, [BOX, BOX + 1, BOX + 1, BOX + 2]), (POD, [BOX, 0, 0, 0])):
        inventory = Inventory((host, *router(late)), 1, 1)
        assert places(follow(table_of(asked), inventory, Diagnostics())) == found
    answer = [hop(12, TX, 98), hop(13, RX, 84, dev="port2"), hop(15, TX, 98, dev="port1"), hop(16, RX, 84)]
    inventory = Inventory((host, *router(POD)), 1, 1)
    assert places(follow(table_of(asked + answer), inventory, Diagnostics())) == [BOX, *(0,) * 7]


def test_an_interface_that_came_after_the_look_is_not_another_namespaces() -> None:
    """A container is seen while it has nothing but `lo`, and gone when somebody looks again; so is its port."""
    late = [replace(each, born_ns=BORN, first_ns=2 * BORN) for each in (veth(HOST, 6, "v1", POD, 2), LONE_PORT)]
    stays = [veth(HOST, 3, "v0", STAYS, 2, master=4), Interface(HOST, 4, "br0", "bridge")]
    found = Namespace(POD, "next", interfaces=(veth(POD, 2, "eth0", HOST, 6),))
    spaces = (
        Namespace(HOST, "host", "host", interfaces=(*stays, late[0], replace(late[1], gone_ns=2 * BORN))),
        Namespace(BOX, "box", gone_ns=2 * BORN, last_ns=BORN, interfaces=(Interface(BOX, 1, "lo"),)),
        replace(found, born_ns=BORN, first_ns=2 * BORN),
        Namespace(STAYS, "stays", interfaces=(veth(STAYS, 2, "eth0", HOST, 3),)),
    )
    inventory = Inventory(spaces, 2 * BORN, 2 * BORN, gaps=((BORN, 2 * BORN),))
    sent = [hop(0, TX, 98, flags=PROCESS, task=BOX), hop(1, RX, 84, dev="v1"), hop(3, TX, 98, dev="v0"), hop(4, RX, 84)]
    result = follow(table_of(sent), inventory, Diagnostics(), Options(monotonic=True))
    assert places(result)[0] in (0, BOX)
    before = Inventory(spaces, 2 * BORN, 2 * BORN)  # nobody tells that there is a gap, but who sent is there to see
    assert places(follow(table_of(sent), before, Diagnostics(), Options(monotonic=True)))[0] in (0, BOX)


def test_a_process_of_a_namespace_that_is_not_listed_shows_that_others_may_not_be() -> None:
    """Only the host is listed, but a process elsewhere was running: its `lo` is as likely as the host's."""
    inventory = Inventory((Namespace(HOST, "host", "host", interfaces=(Interface(HOST, 1, "lo"),)),))
    answer = [hop(12, TX, 98, dev="lo", task=BOX), hop(14, RX, 84, dev="lo", task=BOX)]
    assert places(follow(table_of(answer), inventory, Diagnostics())) == [0, 0]
    alone = [replace(each, task=HOST) for each in answer]
    assert places(follow(table_of(alone), inventory, Diagnostics())) == [HOST, HOST]


def test_a_mirrored_copy_is_not_the_packet_whose_address_it_got() -> None:
    """`tc` mirrors what comes in to `eth2`, by copies; one gets the address of the request just answered.

    That request ended at the other `eth0`, where its answer began: it didn't come in where the copy is sent.
    """
    spaces = (
        Namespace(HOST, "host", "host"),
        Namespace(BOX, "a", interfaces=(veth(BOX, 2, "eth0", NODE, 2),)),
        Namespace(NODE, "r", interfaces=(veth(NODE, 2, "eth0", BOX, 2), Interface(NODE, 4, "eth2", "dummy"))),
    )
    asked, answer = [hop(0, TX, 98), hop(2, RX, 84)], [hop(12, TX, 98), hop(14, RX, 84)]
    copy = replace(hop(5, TX, 98, dev="eth2"), time=answer[-1].time + 3_000)
    result = follow(table_of([*asked, *answer, copy]), Inventory(spaces), Diagnostics())
    where = dict(zip(result.hops["time_ns"].tolist(), places(result), strict=True))
    assert [where[each.time] for each in (*asked, *answer, copy)] == [0, 0, 0, 0, NODE]
    assert result.journeys["uncertain"].tolist() == [True, False]
