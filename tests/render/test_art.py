"""The drawings: like the article's, and well-formed whatever the names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from perfpath.escape import visible
from perfpath.render.art import drawings
from perfpath.render.cells import width
from perfpath.render.paths import PathBook
from perfpath.render.places import Namer

if TYPE_CHECKING:
    from tests.render.conftest import Story


def drawn(story: Story, columns: int = 100) -> list[list[str]]:
    book = PathBook()
    book.add(story.result())
    return drawings(book.common(), Namer(), columns)


def test_the_articles_drawing(story: Story) -> None:
    hops = ["tx docker0 host 0", "tx veth0e65931 host 1", "rx eth0 web 2"]
    (drawing,) = drawn(story.packet(*hops))
    assert drawing == [
        "            host            |  web",
        "+---------------------------+--------+",
        "| docker0 ---> veth0e65931 ---> eth0 |  1 packet",
        "+---------------------------+--------+",
    ]


def test_a_wide_label_widens_its_box_and_the_arrow_out_of_it(story: Story) -> None:
    story.packet("tx a host 0", "rx b web 1", netns_name="a namespace's name")
    hops = story.hops
    hops[1]["netns_name"] = "another long name"
    (drawing,) = drawn(story)
    assert drawing == [
        "  a namespace's name | another long name",
        "+--------------------+-------------------+",
        "| a -------------------> b               |  1 packet",
        "+--------------------+-------------------+",
    ]


def test_there_and_back_are_one_drawing(bridge_ping: Story) -> None:
    (drawing,) = drawn(bridge_ping)
    assert drawing[2:4] == [
        "| docker0 ---> vetha373ab6 ---> eth0 |  3 requests",
        "| docker0 <--- vetha373ab6 <--- eth0 |  3 replies",
    ]


def test_a_way_in_one_namespace_has_one_box(story: Story) -> None:
    story.packet("tx lo host 0", "rx lo host 1", role="request", peer=1)
    story.packet("tx lo host 2", "rx lo host 3", role="reply", peer=0)
    assert drawn(story) == [["  host", "+------+", "| lo   |  1 request, 1 reply", "+------+"]]


def test_unknown_namespaces_are_question_marks_and_join_nothing(story: Story) -> None:
    story.packet("tx eth0 ? 0", "rx eth0 ? 1")  # two ends of a veth pair may both be called eth0
    story.packet("tx lo ? 10", "rx lo ? 11")
    first, second = drawn(story)
    assert first == [
        "        ?",
        "+ - - - - - - - -+",
        ": eth0 ---> eth0 :  1 packet",
        "+ - - - - - - - -+",
    ]
    assert second[2] == ": lo :  1 packet"


def test_a_known_namespace_keeps_its_wall_to_an_unknown_one(story: Story) -> None:
    story.packet("tx a host 0", "rx b ? 1")
    assert drawn(story, 0) == [
        ["+-------+", "| host: |", "|   a   |", "+---v---+", ": ?:    :", ":   b   :", "+ - - - +", "v 1 packet"]
    ]


def test_boxes_that_do_not_fit_stand_on_each_other(bridge_ping: Story) -> None:
    (drawing,) = drawn(bridge_ping, columns=40)
    assert drawing == [
        "+---------------+",
        "| host:         |",
        "|   docker0     |",
        "|   v ^         |",
        "|   vetha373ab6 |",
        "+---v-^---------+",
        "| web:          |",
        "|   eth0        |",
        "+---------------+",
        "v 3 requests",
        "^ 3 replies",
    ]


def test_the_most_travelled_way_comes_first(story: Story) -> None:
    story.packet("tx a host 0")
    for number in range(3):
        story.packet("tx b host 1", role="request" if number else None)
    assert [drawing[2] for drawing in drawn(story)] == ["| b    |  2 requests, 1 packet", "| a    |  1 packet"]


NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=15)


@given(st.lists(st.tuples(NAME, st.sampled_from(["host", "web", "db", "?"])), min_size=1, max_size=7), st.booleans())
@settings(deadline=None, max_examples=200)
def test_walls_stand_straight(new_story: type[Story], hops: list[tuple[str, str]], narrow: bool) -> None:
    story = new_story().packet(*(f"tx x {space} {number}" for number, (_, space) in enumerate(hops)))
    for row, (dev, _) in zip(story.hops, hops, strict=True):
        row["dev"] = dev
    back = [*reversed(story.hops)]
    story.packet(*(f"rx x {row['netns_name'] or '?'} {number}" for number, row in enumerate(back)))
    for row, source in zip(story.hops[len(hops) :], back, strict=True):
        row["dev"] = source["dev"]
    (drawing,) = drawn(story, 0 if narrow else 10_000)
    walls = [line for line in drawing if line[0] == "+"]
    rows = [line for line in drawing if line[0] in "|:"]
    assert walls
    assert len({width(wall) for wall in walls}) == 1
    for line in rows:
        inside = line if narrow else line[: line.rindex("  ")]
        assert inside[-1] in "|:"
        assert width(inside) == width(walls[0])
    for dev, _ in hops:
        assert visible(dev) in "\n".join(rows)
