"""Journeys of made-up packets whose truth is known."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walks import Hop, World, random_world, table_of, traffic

from perfpath.diagnostics import Diagnostics
from perfpath.journeys.tracker import Options, Result, Tracker, follow

if TYPE_CHECKING:
    from perfpath.netns.inventory import Inventory
    from perfpath.tables import Table

SEEDS = st.integers(0, 2**32 - 1)


def told(seed: int, count: int = 40) -> tuple[World, list[Hop]]:
    rng = random.Random(seed)
    world = random_world(rng)
    traffic(world, rng, count)
    return world, world.ordered()


def packets_of(result: Result, hops: list[Hop]) -> dict[int, set[int]]:
    """Journey -> the true packets whose hops it has."""
    by_time = {(hop.time, hop.cpu): hop.packet for hop in hops}
    found: dict[int, set[int]] = defaultdict(set)
    for journey, time, cpu in zip(*(result.hops[name].tolist() for name in ("journey", "time_ns", "cpu")), strict=True):
        found[journey].add(by_time[time, cpu])
    return found


def wrong_places(result: Result, hops: list[Hop]) -> list[tuple[Hop, int]]:
    truth = {(hop.time, hop.cpu): hop for hop in hops}
    places = zip(*(result.hops[name].tolist() for name in ("time_ns", "cpu", "netns")), strict=True)
    return [(truth[time, cpu], netns) for time, cpu, netns in places if netns not in (0, truth[time, cpu].netns)]


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_with_flags_and_inventory_every_packet_is_one_journey_and_no_place_is_wrong(seed: int) -> None:
    world, hops = told(seed)
    result = follow(table_of(hops), world.inventory(), Diagnostics())
    assert len(result.hops) == len(hops)
    assert not wrong_places(result, hops)
    found = packets_of(result, hops)
    assert len(found) == world.packets
    assert all(len(packets) == 1 for packets in found.values())


@given(SEEDS, st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_whatever_is_missing_no_place_is_wrong(seed: int, flags: bool, tasks: bool, losses: bool) -> None:
    world, hops = told(seed)
    rng = random.Random(seed)
    diagnostics = Diagnostics()
    seen = []
    for hop in hops:
        if losses and rng.random() < 0.1:
            diagnostics.lose(1, cpu=hop.cpu, start_ns=hop.time, end_ns=hop.time)
        else:
            seen.append(hop)
    result = follow(table_of(seen, flags=flags, tasks=tasks), world.inventory(), diagnostics)
    assert len(result.hops) == len(seen)
    assert not wrong_places(result, hops)


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_without_inventory_no_place_is_wrong(seed: int) -> None:
    _, hops = told(seed)
    result = follow(table_of(hops), None, Diagnostics())
    assert not wrong_places(result, hops)


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_roles_are_never_wrong(seed: int) -> None:
    world, hops = told(seed)
    result = follow(table_of(hops), world.inventory(), Diagnostics())
    packet = {journey: min(packets) for journey, packets in packets_of(result, hops).items()}
    for journey, role, peer in zip(
        result.journeys["journey"].tolist(),
        result.journeys.texts("role"),
        result.journeys["peer"].tolist(),
        strict=True,
    ):
        if role is not None:
            assert (role, packet[peer]) == world.roles[packet[journey]]


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_where_all_pings_are_answered_all_have_roles(seed: int) -> None:
    rng = random.Random(seed)
    world = random_world(rng)
    for _ in range(23):
        cpu = world.next_cpu()
        start = rng.choice(world.nodes)
        end = rng.choice([node for node in world.nodes if node.name[:2] == start.name[:2]])
        world.ping(start, end, cpu)
        world.rest(cpu)
    hops = world.ordered()
    roles = follow(table_of(hops), world.inventory(), Diagnostics()).journeys.texts("role")
    assert (roles.count("request"), roles.count("reply")) == (23, 23)


PLACES = ("evidence", "candidates", "netns_name")


def rows(*results: Result, places: bool = True) -> dict[tuple[int, int], tuple[object, ...]]:
    """All that a user sees of each journey, by what identifies it; numbers replaced by identities."""
    found: dict[tuple[int, int], tuple[object, ...]] = {}
    identity: dict[int, tuple[int, int]] = {}
    for result in results:
        table = result.journeys
        keys = zip(table["skbaddr"].tolist(), table["start_ns"].tolist(), strict=True)
        identity |= dict(zip(table["journey"].tolist(), keys, strict=True))
    for result in results:
        journeys = zip(
            *(result.journeys[name].tolist() for name in ("journey", "end_ns", "hops", "peer", "complete")),
            result.journeys.texts("role"),
            result.journeys.texts("cut"),
            strict=True,
        )
        hops: dict[int, list[tuple[object, ...]]] = defaultdict(list)
        for number, *rest in zip(
            *(result.hops[name].tolist() for name in ("journey", "hop", "time_ns", "delta_ns")),
            *([result.hops["netns"].tolist()] if places else []),
            *(result.hops.texts(name) for name in ("dev", "event", "direction", *(PLACES if places else ()))),
            strict=True,
        ):
            hops[number].append(tuple(rest))
        for number, end, size, peer, *rest in journeys:
            assert identity[number] not in found
            found[identity[number]] = (end, size, identity.get(peer), *rest, *hops[number])
    return found


def batched(table: Table, sizes: list[int], inventory: Inventory | None, options: Options) -> list[Result]:
    tracker = Tracker(inventory, Diagnostics(), options)
    results, at = [], 0
    for size in sizes:
        results.append(tracker.feed(table.take(slice(at, at + size))).closed)
        at += size
    results.append(tracker.feed(table.take(slice(at, None))).closed)
    return [*results, tracker.close()]


@given(SEEDS, st.lists(st.integers(0, 40), max_size=40), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_batches_give_the_same_journeys(seed: int, sizes: list[int], flags: bool, known: bool) -> None:
    world, hops = told(seed)
    table = table_of(hops, flags=flags)
    options = Options(gap_ns=2_000_000, reply_ns=500_000)
    inventory = world.inventory() if known else None
    whole = follow(table, inventory, Diagnostics(), options)
    parts = batched(table, sizes, inventory, options)
    assert rows(*parts, places=known) == rows(whole, places=known)  # without inventory, what is inferred grows


def test_open_journeys_keep_their_numbers_and_closed_ones_come_once() -> None:
    world, hops = told(7)
    tracker = Tracker(world.inventory(), Diagnostics(), Options(gap_ns=1_000_000, reply_ns=100_000))
    table = table_of(hops)
    numbers: dict[tuple[int, int], int] = {}
    closed: list[int] = []
    for at in range(0, len(hops), 5):
        update = tracker.feed(table.take(slice(at, at + 5)))
        for result in (update.closed, update.open):
            journeys = result.journeys
            for key in zip(*(journeys[name].tolist() for name in ("skbaddr", "start_ns", "journey")), strict=True):
                assert numbers.setdefault(key[:2], key[2]) == key[2]
        closed += update.closed.journeys["journey"].tolist()
    closed += tracker.close().journeys["journey"].tolist()
    assert sorted(closed) == list(range(world.packets))


@pytest.mark.parametrize("tasks", [True, False])
def test_twins_are_told_apart_by_their_senders_only(tasks: bool) -> None:
    world = World(random.Random(1), cpus=1)
    for copy in range(2):
        left, right = world.node(f"left{copy}"), world.node(f"right{copy}")
        world.wire(left, "eth0", right, "eth0")
        world.ping(left, right, 0)
        world.rest(0)
    hops = world.ordered()
    result = follow(table_of(hops, tasks=tasks), world.inventory(), diagnostics := Diagnostics())
    right_place = np.array([hop.netns for hop in hops])
    if tasks:
        assert result.hops["netns"].tolist() == right_place.tolist()
        assert result.hops.texts("evidence")[:4] == ["context", "link", "link", "link"]
    else:
        assert not result.hops["netns"].any()
        assert set(result.hops.texts("candidates")) == {",".join(str(node.inum) for node in world.nodes)}
        assert "--packets socket" in diagnostics.notes["ambiguous-place"].advice


def test_beside_many_packets_a_new_one_waits_only_where_there_is_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfpath.journeys.tracker.MIN_ROWS", 10)
    world, hops = told(7)
    table = table_of(hops)
    tracker = Tracker(world.inventory(), Diagnostics())
    assert len(tracker.feed(table.take(slice(0, len(hops) - 2))).open.hops) == len(hops) - 2
    assert len(tracker.feed(table.take(slice(len(hops) - 2, len(hops) - 1))).open.hops) == len(hops) - 2
    assert len(tracker.feed(table.take(slice(len(hops) - 1, None)), soon=True).open.hops) == len(hops)
