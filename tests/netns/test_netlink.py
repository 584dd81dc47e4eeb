"""The walk over netlink's bytes, and what links say in them."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath.netns.kinds import KINDS, PORTS, details_of
from perfpath.netns.links import IFINFO, link_from, lower_of
from perfpath.netns.netlink import HEADER, MalformedError, Netlink, attribute, attributes, messages

ATTRIBUTES = st.dictionaries(st.integers(0, 0x3FFF), st.binary(max_size=40), max_size=8)


def packed(values: dict[int, bytes]) -> bytes:
    return b"".join(attribute(kind, value) for kind, value in values.items())


@given(ATTRIBUTES)
def test_attributes_come_back_as_written(values: dict[int, bytes]) -> None:
    assert attributes(packed(values)) == values


@given(ATTRIBUTES, st.integers(0, 400))
def test_cut_anywhere_attributes_are_right_or_refused(values: dict[int, bytes], cut: int) -> None:
    data = packed(values)[:cut]
    try:
        found = attributes(data)
    except MalformedError:
        return
    assert found.items() <= values.items()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_link_or_refused(data: bytes) -> None:
    for reader in (attributes, link_from, lambda raw: list(messages(raw))):
        try:
            reader(data)
        except MalformedError as error:
            assert str(error)  # noqa: PT017 - either outcome is right


@given(st.sampled_from([*KINDS, "unheard-of"]), st.sampled_from([*PORTS, "", "team"]), ATTRIBUTES)
def test_details_are_plain_values_whatever_a_kind_says(kind: str, port: str, values: dict[int, bytes]) -> None:
    details = details_of(kind, packed(values), port, packed(values))
    assert all(isinstance(value, str | int) for value in details.values())


def test_a_length_of_zero_ends_with_an_error() -> None:
    with pytest.raises(MalformedError):
        attributes(struct.pack("=HH", 0, 3) + bytes(8))
    with pytest.raises(MalformedError):
        list(messages(HEADER.pack(0, 16, 0, 1, 0) + bytes(16)))


def test_a_link_as_the_kernel_writes_it() -> None:
    info = attribute(1, b"vxlan\0") + attribute(
        2,
        attribute(1, struct.pack("=I", 42))
        + attribute(15, struct.pack(">H", 4789))
        + attribute(3, struct.pack("=I", 7)),
    )
    body = IFINFO.pack(0, 1, 9, 0x1, 0) + packed(
        {
            3: b"vx\xff0\0",
            1: bytes.fromhex("020000000001"),
            4: struct.pack("=I", 1450),
            18: info,
            10: struct.pack("=I", 3),
        }
    )
    link = link_from(body)
    assert (link.ifindex, link.name, link.kind, link.mac, link.mtu) == (
        9,
        "vx\udcff0",
        "vxlan",
        "02:00:00:00:00:01",
        1450,
    )
    assert (link.master, link.link, link.nsid, link.up) == (3, 7, None, True)
    assert link.details == {"vxlan_id": 42, "port": 4789, "carrier": False}


@pytest.mark.parametrize(
    ("kind", "qdisc", "wanted"),
    [("macvtap", "fq_codel", "fq_codel"), ("veth", "noqueue", None), ("tun", "noop", None), ("", "mq", None)],
)
def test_which_virtual_devices_have_a_queue(kind: str, qdisc: str, wanted: str | None) -> None:
    info = attribute(1, kind.encode() + b"\0")
    body = IFINFO.pack(0, 1, 9, 0x10001, 0) + packed({3: b"x\0", 6: qdisc.encode() + b"\0", 18: info})
    assert link_from(body).details.get("qdisc") == wanted


@pytest.mark.parametrize(
    ("link", "kind", "nsid", "below", "wanted"),
    [
        (5, "veth", 0, 0, 5),
        (None, "veth", 0, 0, 9),  # kernels before 4.20: both ends have the same ifindex
        (None, "veth", None, 0, 0),
        (9, "macvlan", 3, 0, 9),  # a device of the same ifindex in another namespace
        (9, "vxlan", 3, 0, 0),  # a tunnel in want of a device names itself
        (9, "vxlan", 3, 4, 4),
        (4, "gre", None, 4, 4),
        (4, "", None, 0, 4),
        (0, "sit", None, 0, 0),
    ],
)
def test_what_a_link_leads_to(link: int | None, kind: str, nsid: int | None, below: int, wanted: int) -> None:
    assert lower_of(link, kind, 9, nsid, below) == wanted


def test_an_error_of_the_kernel_is_raised() -> None:
    with Netlink() as netlink, pytest.raises(OSError, match="No such device"):
        netlink.ask(18, IFINFO.pack(0, 0, 0x7FFFFFF0, 0, 0))


def test_a_dump_sees_the_loopback() -> None:
    with Netlink() as netlink:
        bodies = netlink.dump(18, IFINFO.pack(0, 0, 0, 0, 0))
    assert {link.name for link in map(link_from, bodies)} >= {"lo"}
    assert {name for _, name in socket.if_nameindex()} >= {"lo"}
