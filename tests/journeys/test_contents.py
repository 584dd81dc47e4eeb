"""Replies found by what packets say."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath.journeys.contents import _Ends, _matched, _uncontradicted
from perfpath.journeys.pair import Pairs, first_of_each
from perfpath.packets.decode import decode
from perfpath.packets.headers import packed

A, B, C = b"\x0a\0\0\1", b"\x0a\0\0\2", b"\x0a\0\0\3"
Said = tuple[bytes, bytes, str, int]
"""From, to, protocol, and the port asked from or the echo's number."""


def frame(said: Said) -> bytes:
    source, target, protocol, number = said
    if protocol == "udp":
        ports = (number, 53) if source == A else (53, number)
        body, proto = struct.pack("!HHHH", *ports, 9, 0) + b"x", 17
    else:
        body, proto = struct.pack("!BBHHH", 8 if source == A else 0, 0, 0, 77, number), 1
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, proto, 0, source, target)
    return bytes(12) + b"\x08\x00" + head + body


def matched(*said: Said, devices: list[int] | None = None) -> set[tuple[int, int]]:
    """Packets one after the other at one device; each ends 10 ns after it begins."""
    table = decode(packed([frame(each) for each in said])).outer
    dev = np.array(devices or [1] * len(said), np.int32)
    begun = np.arange(len(said), dtype=np.int64) * 100
    asked, replies = _matched(_Ends(table, dev, begun + 10), _Ends(table, dev, begun))
    pairs = Pairs(asked, replies, np.zeros(len(asked), bool))
    pairs = pairs.take(first_of_each(pairs, begun))  # as the tracker does: a reply asks nothing
    return set(zip(pairs.request.tolist(), pairs.reply.tolist(), strict=True))


def ask(number: int, server: bytes = B, protocol: str = "udp") -> Said:
    return A, server, protocol, number


def answer(number: int, server: bytes = B, protocol: str = "udp") -> Said:
    return server, A, protocol, number


def test_udp_is_paired_where_one_packet_waits_for_an_answer() -> None:
    assert matched(ask(1), answer(1), ask(1), answer(1)) == {(0, 1), (2, 3)}
    assert matched(ask(1), ask(1), answer(1), answer(1)) == set()
    assert matched(ask(1), answer(1), answer(1)) == {(0, 1)}
    assert matched(answer(1), ask(1)) == {(0, 1)}  # who asks is not what it is about: this came first
    assert matched(ask(1), ask(1), ask(1), ask(2), answer(2)) == {(3, 4)}
    assert matched(ask(2), ask(1), ask(1), ask(1, C), answer(1, C), answer(2)) == {(3, 4), (0, 5)}
    assert matched(ask(1), answer(1, C)) == set()


def test_echoes_are_paired_by_their_numbers() -> None:
    pings = [ask(1, protocol="icmp"), ask(2, protocol="icmp"), answer(2, protocol="icmp"), answer(1, protocol="icmp")]
    assert matched(*pings) == {(0, 3), (1, 2)}
    assert matched(*pings[::-1]) == set()


def test_a_copy_that_ended_elsewhere_is_not_what_was_answered() -> None:
    ping, copy, reply = ask(1, protocol="icmp"), ask(1, protocol="icmp"), answer(1, protocol="icmp")
    assert matched(ping, copy, reply, devices=[1, 2, 1]) == {(0, 2)}


ROUNDS = st.lists(st.tuples(st.integers(1, 4), st.sampled_from([B, C]), st.booleans()), max_size=30)


@given(ROUNDS)
def test_exchanges_one_after_the_other_are_all_found(rounds: list[tuple[int, bytes, bool]]) -> None:
    said: list[Said] = []
    truth = set()
    waiting: set[tuple[int, bytes]] = set()
    for number, server, answered in rounds:
        if (number, server) in waiting:
            continue
        said.append(ask(number, server))
        if answered:
            truth.add((len(said) - 1, len(said)))
            said.append(answer(number, server))
        else:
            waiting.add((number, server))
    assert matched(*said) == truth if said else not truth


@pytest.mark.parametrize(
    ("kinds", "kept"), [((8, 3), True), ((8, 0), True), ((8, 5), True), ((3, 3), False), ((11, 3), False)]
)
def test_an_error_may_follow_a_packet_but_no_other_error(kinds: tuple[int, int], kept: bool) -> None:
    ends = []
    for kind, (source, target) in zip(kinds, ((A, B), (B, A)), strict=True):
        body = struct.pack("!BBHHH", kind, 0, 0, 77, 1) + bytes(40)
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, 1, 0, source, target)
        ends.append(decode(packed([bytes(12) + b"\x08\x00" + head + body])).outer)
    pairs = Pairs(np.array([0]), np.array([1]), np.array([True]))
    assert len(_uncontradicted(pairs, np.array([0, 0]), *ends)) == kept
