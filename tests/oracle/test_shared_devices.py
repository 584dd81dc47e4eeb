"""Several namespaces on one device, in all modes of macvlan and ipvlan: what the kernel said in a VM, kept."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from walks import Hop, table_of

from perfpath.diagnostics import Diagnostics
from perfpath.journeys.tracker import Options, follow
from perfpath.netns.saved import from_json

if TYPE_CHECKING:
    from perfpath.netns.inventory import Interface, Inventory

DATA = Path(__file__).resolve().parents[1] / "data" / "shared-6.12"
# How many per cent are placed right, without looking into packets. What lacks: which of two answers what came to the
# device below both, and where the hops of a frame between the two are as many as those of one from outside.
PLACED = {
    "mvbridge": 84, "mvprivate": 73, "mvvepa": 90, "mvpassthru": 89, "mtbridge": 87, "mtvepa": 87, "ivl2": 66,
    "ivl2p": 72, "ivl2v": 89, "ivl3": 69, "ivl3p": 92, "ivl3v": 88, "ivl3s": 69, "ivl3sv": 88, "it3": 67,
}  # fmt: skip
# The emulated processor stood still for 13 ms between two hops of one call, so that the second looks like a new packet.
PAUSED = {"it3": 1}


@cache
def recorded() -> dict[str, list[Hop]]:
    hops: dict[str, list[Hop]] = {}
    for row in csv.DictReader(gzip.decompress((DATA / "hops.csv.gz").read_bytes()).decode().splitlines()):
        numbers = {key: int(row[key]) for key in ("time_ns", "cpu", "len", "flags", "task_netns", "tid", "netns")}
        hops.setdefault(row["lab"], []).append(
            Hop(
                *(numbers["time_ns"], numbers["cpu"], row["event"], row["dev"], int(row["skbaddr"], 16)),
                *(numbers["len"], numbers["flags"], numbers["task_netns"], numbers["tid"], 0, numbers["netns"]),
            )
        )
    return hops


def inventory_of(lab: str) -> Inventory:
    return from_json(json.dumps(json.loads((DATA / "inventories.json").read_text())[lab]))


def score(lab: str, inventory: Inventory) -> Counter[str]:
    hops = recorded()[lab]
    result = follow(table_of(hops), inventory, Diagnostics(), Options(monotonic=True))
    truth = {(hop.time, hop.cpu, hop.address): hop.netns for hop in hops}
    ours = {each.inum for each in inventory_of(lab).namespaces if each.name != "host"}
    columns = (result.hops[name].tolist() for name in ("time_ns", "cpu", "skbaddr", "netns"))
    found: Counter[str] = Counter()
    for time, cpu, address, netns in zip(*columns, strict=True):
        there = truth[time, cpu, address]
        if there in ours:
            found["right" if netns == there else "wrong" if netns else "unknown"] += 1
    return found


@pytest.mark.parametrize("lab", PLACED)
def test_every_mode(lab: str) -> None:
    found = score(lab, inventory_of(lab))
    print(f"\n{lab:>28}: {dict(found)}")  # noqa: T201
    assert found["wrong"] == PAUSED.get(lab, 0)
    assert found["right"] >= PLACED[lab] / 100 * found.total()


@pytest.mark.parametrize("lab", ["ivl3", "ivl3v", "ivl3s", "ivl2", "mvbridge", "mvprivate", "mvvepa"])
@pytest.mark.parametrize("missing", ["h", "o", "b1", "b2"])
def test_where_a_namespace_is_not_listed_nothing_is_wrong(lab: str, missing: str) -> None:
    whole = inventory_of(lab)
    inum = next(each.inum for each in whole.namespaces if each.name == missing)

    def unlinked(each: Interface) -> Interface:
        each = replace(each, peer=0, peer_netns=0) if each.peer_netns == inum else each
        return replace(each, lower_netns=0) if each.lower_netns == inum else each

    spaces = [space for space in whole.namespaces if space.inum != inum]
    spaces = [replace(space, interfaces=tuple(map(unlinked, space.interfaces))) for space in spaces]
    assert score(lab, replace(whole, namespaces=tuple(spaces)))["wrong"] == 0
