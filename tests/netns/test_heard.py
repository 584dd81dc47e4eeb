"""Interfaces of which only the kernel's word is left."""

from __future__ import annotations

import struct

import pytest

from perfpath.netns.heard import Heard, links_up, with_unseen
from perfpath.netns.inventory import Interface, Inventory, Namespace
from perfpath.netns.links import IFF_UP, IFINFO, Link
from perfpath.netns.netlink import HEADER, attribute

HOST, BOX = 7, 8
PORT = Interface(HOST, 5, "port", "veth", peer=2, peer_netns=BOX)


def told(name: str, ifindex: int, *, flags: int = IFF_UP, kind: int = 16, family: int = 0) -> bytes:
    body = IFINFO.pack(family, 1, ifindex, flags, 0) + attribute(3, name.encode() + b"\0")
    body += attribute(18, attribute(1, b"veth\0"))
    return HEADER.pack(HEADER.size + len(body), kind, 0, 0, 0) + body


def test_only_links_that_are_up_are_taken() -> None:
    both = told("one", 4) + told("two", 5)
    assert [(link.name, link.ifindex, link.kind) for link in links_up(both)] == [("one", 4, "veth"), ("two", 5, "veth")]
    assert links_up(told("x", 4, flags=0) + told("x", 4, kind=17) + told("x", 4, family=7)) == []


@pytest.mark.parametrize("cut", range(1, 60))
def test_what_is_cut_short_is_left_out(cut: int) -> None:
    whole = told("one", 4)
    assert links_up(whole[:-cut]) == []
    broken = bytearray(whole)
    struct.pack_into("=H", broken, HEADER.size + IFINFO.size, 2)  # an attribute shorter than its own header
    assert links_up(bytes(broken)) == []


def heard(*links: Link, nsid: int = -1) -> list[Heard]:
    return [Heard(nsid, link) for link in links]


def meaning(nsid: int) -> set[int]:
    return {-1: {HOST}, 3: {BOX}}.get(nsid, set())


def test_what_no_look_saw_is_kept_without_its_other_end() -> None:
    inventory = Inventory((Namespace(HOST, "host", interfaces=(PORT,)),), 100, 110)
    found = with_unseen(inventory, heard(Link(4, "port", "veth", link=2, nsid=3)), meaning, 90)
    unseen, seen = found.namespaces[0].interfaces
    assert seen == PORT
    assert unseen == Interface(HOST, 4, "port", "veth", born_ns=90, gone_ns=110)


def test_what_a_look_saw_needs_no_word() -> None:
    inventory = Inventory((Namespace(HOST, "host", interfaces=(PORT,)),), 100, 110)
    assert with_unseen(inventory, heard(Link(5, "port", "veth")), meaning, 90) == inventory
    assert with_unseen(inventory, heard(Link(5, "port", "veth"), nsid=9), meaning, 90) == inventory
    assert with_unseen(inventory, [], meaning, 90) is inventory


def test_a_number_given_out_again_is_another_interface() -> None:
    gone = Interface(HOST, 5, "port", "veth", gone_ns=80)
    inventory = Inventory((Namespace(HOST, "host", interfaces=(gone,)), Namespace(BOX, "old", gone_ns=80)), 100, 110)
    found = with_unseen(inventory, heard(Link(5, "port", "veth")), meaning, 90)
    assert [each.gone_ns for each in found.namespaces[0].interfaces] == [110, 80]
    assert with_unseen(inventory, heard(Link(5, "port", "veth"), nsid=3), meaning, 90) == inventory


def test_a_stacked_device_keeps_what_it_sits_on() -> None:
    inventory = Inventory((Namespace(HOST, "host", interfaces=(PORT,)),), 100, 110)
    found = with_unseen(inventory, heard(Link(6, "mv0", "macvlan", link=5)), meaning, 90)
    assert (found.namespaces[0].interfaces[0].lower, found.namespaces[0].interfaces[0].lower_netns) == (5, HOST)
