"""Decisions in words: TCP's states by name, and IPv6's local table, which knows no way to anything but itself."""

from __future__ import annotations

import json

import pytest

from perfpath.journeys.verdicts import told
from perfpath.render.decisions import words


@pytest.mark.parametrize(
    ("state", "name"), [(1, "TCP_ESTABLISHED"), ("TCP_CLOSE", "TCP_CLOSE"), (12, "TCP_NEW_SYN_RECV")]
)
def test_states_of_tcp_have_names(state: int | str, name: str) -> None:
    said = json.loads(told("tcp:tcp_retransmit_skb", "", None, {"state": state}, gateway=False))
    assert said == {"kind": "tcp", "what": "retransmitted", "state": name}
    assert words(said) == f"tcp retransmitted ({name})"


def test_a_state_that_nobody_knows_stays_a_number() -> None:
    assert json.loads(told("tcp:tcp_retransmit_skb", "", None, {"state": 99}, gateway=False))["state"] == 99


def test_the_local_table_of_ipv6_has_no_way_and_the_next_is_asked() -> None:
    said = {"kind": "route", "for": "output", "table": 255, "src": None, "dst": "fd01::2", "dev": None, "gateway": None}
    assert words(said | {"error": "EHOSTUNREACH"}) == "route  any to fd01::2, table local: none there"
    assert words(said | {"error": "EHOSTUNREACH", "table": 254}).endswith("table main: EHOSTUNREACH")
    assert words(said | {"error": "EHOSTUNREACH", "dst": "198.18.0.1"}).endswith("table local: EHOSTUNREACH")
