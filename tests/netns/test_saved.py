"""Saved inventories: what is written is read, what is broken is explained."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath.errors import InventoryError
from perfpath.netns.inventory import Interface, Inventory, Namespace
from perfpath.netns.saved import as_dict, from_json, to_json

NUMBERS = st.integers(0, (1 << 64) - 1)
INUMS, INDEXES = st.integers(0, (1 << 32) - 1), st.integers(-(1 << 31), (1 << 31) - 1)
TEXTS = st.text(st.characters(exclude_categories=[]), max_size=12)  # surrogates too, as os.fsdecode makes them
TIMES = st.none() | st.integers(0, 1 << 62)


@st.composite
def namespaces(draw: st.DrawFn) -> Namespace:
    inum = draw(INUMS)
    interface = st.builds(
        Interface,
        netns=st.just(inum),
        ifindex=INDEXES,
        name=TEXTS,
        kind=TEXTS,
        mac=TEXTS,
        addresses=st.lists(TEXTS, max_size=2).map(tuple),
        details=st.dictionaries(TEXTS, TEXTS | NUMBERS | st.booleans(), max_size=3),
        born_ns=TIMES,
        gone_ns=TIMES,
        first_ns=TIMES,
        last_ns=TIMES,
    )
    return Namespace(
        inum,
        draw(TEXTS),
        draw(st.sampled_from(["host", "process"])),
        pids=tuple(draw(st.lists(INDEXES, max_size=3))),
        born_ns=draw(TIMES),
        interfaces=tuple(draw(st.lists(interface, max_size=3))),
        cookie=draw(NUMBERS),
        readable=draw(st.booleans()),
        first_ns=draw(TIMES),
        last_ns=draw(TIMES),
    )


GAPS = st.lists(st.tuples(st.integers(0, 1 << 62), st.integers(0, 1 << 62)), max_size=3).map(tuple)
INVENTORIES = st.builds(Inventory, st.lists(namespaces(), max_size=3).map(tuple), TIMES, TIMES, GAPS)


@given(INVENTORIES)
def test_what_is_written_is_read(inventory: Inventory) -> None:
    text = to_json(inventory)
    text.encode("ascii")
    assert from_json(text) == inventory


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    return [path, *(found for key, each in inside for found in paths(each, (*path, key)))]


EXAMPLE = Inventory(
    (
        Namespace(
            7, "host", "host", pids=(1,), interfaces=(Interface(7, 2, "eth0", "veth", addresses=("10.0.0.1/8",)),)
        ),
        Namespace(8, "web", interfaces=(Interface(8, 2, "eth0", details={"mode": "l2"}),)),
    ),
    5,
)


@pytest.mark.parametrize("path", paths(as_dict(EXAMPLE)), ids=str)
@pytest.mark.parametrize("junk", [None, -1.5, [[]], {"x": {}}, "?", True], ids=str)
def test_any_other_value_is_read_or_explained(path: tuple[Any, ...], junk: Any) -> None:
    top: Any = as_dict(EXAMPLE)
    holder: Any = {"top": json.loads(json.dumps(top))}
    place, *rest = ("top", *path)
    target = holder
    for key in rest:
        target, place = target[place], key
    target[place] = junk
    try:
        again = from_json(json.dumps(holder["top"]), "x.json")
    except InventoryError as error:
        assert str(error).startswith("x.json")  # noqa: PT017 - either outcome is right
    else:
        assert from_json(to_json(again)) == again


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.json is not JSON"),
        ("{", "x.json is not JSON"),
        ("[" * 100_000, "x.json is not JSON"),
        (b"\xff\xfe\x00", "x.json is not JSON"),
        ("[]", "x.json should be an object, not []"),
        ("{}", "x.json is not an inventory of perfpath"),
        (
            '{"format": "perfpath-inventory", "version": 1, "namespaces": [{"inum": 4294967296, "name": "a"}]}',
            "x.json: namespaces[0].inum should be a whole number, as large as the kernel's are, not 4294967296",
        ),
        ('{"format": "perfpath-inventory", "version": 9}', "has version 9"),
        ('{"format": "perfpath-inventory", "version": 1}', "x.json: namespaces should be a list, not nothing"),
        (
            '{"format": "perfpath-inventory", "version": 1, "namespaces": '
            '[{"inum": 1, "name": "a", "interfaces": [{}]}]}',
            r"x.json: namespaces[0].interfaces[0].ifindex should be a whole number, not nothing",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str | bytes, message: str) -> None:
    with pytest.raises(InventoryError) as caught:
        from_json(text, "x.json")
    assert message in str(caught.value)


def test_fields_of_later_versions_are_left_alone() -> None:
    top = as_dict(EXAMPLE)
    top["namespaces"][0]["interfaces"][0]["altnames"] = ["x"]
    assert from_json(json.dumps(top)) == EXAMPLE
