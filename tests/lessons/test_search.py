"""The smallest exact sets: against all subsets, on known answers, on the samples."""

from __future__ import annotations

from itertools import chain, combinations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from witness import events_of

from perfpath.lessons import samples
from perfpath.lessons.coverage import Shape, fired, judge, matrix_of, shapes_of
from perfpath.lessons.lesson import Lesson
from perfpath.lessons.material import read
from perfpath.lessons.packet import Place
from perfpath.lessons.search import exact_sets, nearest
from perfpath.lessons.truth import truth_of
from perfpath.tracepoints import MAIN

if TYPE_CHECKING:
    from pathlib import Path

FOUR = frozenset(event.name for event in MAIN)


def shape(places: int, *sequence: tuple[str, int]) -> Shape:
    made = Shape("made up", tuple(Place(f"d{at}", "tx") for at in range(places)), sequence, frozenset())
    made.packets.append(truth_of(events_of("netif_rx x A 60")).packets[0])
    return made


def sets_of(shapes: list[Shape]) -> list[tuple[str, ...]]:
    return [verdict.events for verdict in exact_sets(shapes)]


def test_known_answers() -> None:
    both = shape(2, ("queue", 0), ("xmit", 1), ("rx", 1), ("queue2", 0))
    assert sets_of([both]) == [("queue", "rx"), ("queue", "xmit")]  # queue2 shows d0 after d1
    assert sets_of([shape(2, ("all", 0), ("all", 1), ("one", 1))]) == [("all",)]
    assert sets_of([shape(1, ("twice", 0), ("twice", 0))]) == []
    assert sets_of([shape(2, ("only", 0))]) == []
    assert sets_of([]) == []


def test_a_set_must_do_for_every_shape() -> None:
    first = shape(1, ("a", 0), ("b", 0))
    second = shape(1, ("b", 0), ("c", 0))
    assert sets_of([first, second]) == [("b",), ("a", "c")]


def test_of_equal_sets_the_cheapest_is_first() -> None:
    one = shape(1, ("dear", 0), ("cheap", 0))
    assert [v.events for v in exact_sets([one], {"dear": 100, "cheap": 10})] == [("cheap",), ("dear",)]


def test_the_nearest_where_none_is_exact() -> None:
    best = nearest([shape(3, ("a", 0), ("a", 0), ("c", 0), ("b", 1))])
    assert best is not None
    assert set(best.events) == {"b", "c"}
    assert [fault.kind for fault in best.faults] == ["missed"]


EVENTS = ["a", "b", "c", "d", "e"]


@st.composite
def some_shapes(draw: st.DrawFn) -> list[Shape]:
    found = []
    for _ in range(draw(st.integers(1, 3))):
        places = draw(st.integers(1, 4))
        sightings = st.tuples(st.sampled_from(EVENTS), st.integers(0, places - 1))
        found.append(shape(places, *draw(st.lists(sightings, max_size=9))))
    return found


@given(some_shapes())
def test_the_search_finds_what_trying_everything_finds(shapes: list[Shape]) -> None:
    events = fired(shapes)
    subsets = chain.from_iterable(combinations(sorted(events), size) for size in range(1, len(events) + 1))
    exact = {subset for subset in subsets if brute(frozenset(subset), shapes)}
    assert set(sets_of(shapes)) == exact


def brute(chosen: frozenset[str], shapes: list[Shape]) -> bool:
    """Exact, and every event fires somewhere."""
    return all([at for event, at in one.sequence if event in chosen] == list(range(len(one.places))) for one in shapes)


@given(some_shapes(), st.sets(st.sampled_from(EVENTS)))
def test_faults_say_exactly_what_is_wrong(shapes: list[Shape], chosen: set[str]) -> None:
    verdict = judge(chosen, shapes)
    assert verdict.exact == brute(frozenset(chosen), shapes)
    for fault in verdict.faults:
        times = sum(at == fault.place and event in chosen for event, at in fault.shape.sequence)
        assert {"missed": times == 0, "doubled": times > 1, "disordered": times > 0}[fault.kind]


def test_two_events_would_do_for_the_articles_container() -> None:
    material = samples.load(["container"])[0]
    found = sets_of(material.shapes)
    assert found[0] == ("net_dev_queue", "netif_receive_skb")
    assert tuple(sorted(FOUR - {"napi_gro_receive_entry"})) in found


def test_over_all_scenarios_the_four_win() -> None:
    lesson = Lesson(samples.load())
    assert frozenset(lesson.winners[0].events) == FOUR
    assert {len(verdict.events) for verdict in lesson.winners} == {4}


def test_gro_is_what_rules_netif_receive_skb_out() -> None:
    bulk = samples.load(["bulk"])[0]
    verdict = judge(("net_dev_queue", "netif_receive_skb"), bulk.shapes)
    merged = sum(packet.end == "merged" for packet in bulk.truth.packets)
    assert merged > 5
    assert verdict.count("missed") == merged
    assert {fault.kind for fault in verdict.faults} == {"missed"}


def test_xmit_comes_too_late_and_the_pair_of_xmit_and_receive_is_disordered() -> None:
    container = samples.load(["container"])[0]
    verdict = judge(("net_dev_xmit", "netif_receive_skb"), container.shapes)
    assert [(f.kind, f.place) for f in verdict.faults] == [("disordered", 0)]
    matrix = matrix_of("container", container.shapes, ["net_dev_xmit", "net_dev_queue"])
    assert [cell.late for cell in matrix.cells["net_dev_xmit"]] == [2, 2, 0, 2, 0, 0]
    assert [cell.perfect for cell in matrix.cells["net_dev_queue"]] == [True, True, False, True, False, False]


@pytest.mark.parametrize("name", ["lo", "v6", "vx", "rt", "nft", "pb", "pv", "udp", "tcp", "arp"])
def test_the_four_are_exact_on_recordings_of_others(corpus: Path, name: str) -> None:
    """What they can't show there is known: segments of a GSO packet, and clones made by flooding, are new packets."""
    material = read(str(corpus / "kernel-6.18" / f"{name}.data"))
    verdict = judge(FOUR, material.shapes)
    assert [(f.kind, f.shape.label, f.place) for f in verdict.faults if f.kind != "missed"] == []
    missed = {fault.shape.label for fault in verdict.faults}
    assert verdict.exact or name in {"tcp", "arp"}, missed


def test_shapes_hold_every_packet_with_a_place() -> None:
    packets = truth_of(events_of("net_dev_queue a A 60\nnet_dev_queue a B 60\nnet_dev_queue b C 60")).packets
    assert [one.count for one in shapes_of("x", packets)] == [2, 1]
