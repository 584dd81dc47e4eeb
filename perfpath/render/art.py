"""The drawing of the 2017 article, from the data: boxes are namespaces, arrows the way packets went.

            host            |  web
+---------------------------+--------+
| docker0 ---> vetha373ab6 ---> eth0 |  3 requests
| docker0 <--- vetha373ab6 <--- eth0 |  3 replies
+---------------------------+--------+
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from perfpath.render.cells import center, ljust, width

if TYPE_CHECKING:
    from perfpath.render.paths import Path, Place
    from perfpath.render.places import Namer

NOUNS = {"request": ("request", "requests"), "reply": ("reply", "replies")}
OTHER = ("packet", "packets")


class Box(NamedTuple):
    """A namespace and the devices visited in it, one after the other. An unknown one has dashed walls: who knows."""

    label: str
    known: bool
    devices: tuple[str, ...]


class Way(NamedTuple):
    """One direction through the boxes of a drawing, and what went there: `3 requests`."""

    forward: bool
    what: str


class Arrow(NamedTuple):
    """`--->` or `<---`, and what is left of it on both sides of a wall that it goes through."""

    whole: str
    before_wall: str
    after_wall: str


ARROWS = {True: Arrow("--->", " -", "-> "), False: Arrow("<---", " <", "-- ")}


class Inside(NamedTuple):
    """The devices and arrows in a box, and what fills the box where its label is wider."""

    content: str
    filling: str

    def text(self, room: int) -> str:
        """All of it, with so much filling."""
        return self.content + self.filling * room


def drawings(paths: list[Path], namer: Namer, columns: int) -> list[list[str]]:
    """The lines of a drawing for each way through the boxes; there and back are one drawing.

    Where the boxes don't fit beside each other in so many columns, they stand one below the other.
    """
    found = []
    merged = _merged(paths, namer).items()
    for places, counts in sorted(merged, key=lambda item: -sum(roles.total() for roles in item[1].values())):
        boxes = _boxes(places)
        ways = [Way(forward, _what(roles)) for forward, roles in counts.items()]
        beside = _beside(boxes, ways)
        found.append(beside if max(map(width, beside)) <= columns else _below(boxes, ways))
    return found


def _merged(paths: list[Path], namer: Namer) -> dict[tuple[Place, ...], dict[bool, Counter[str]]]:
    """Counts by role for each sequence of places, under the direction it was first met in."""
    merged: dict[tuple[Place, ...], dict[bool, Counter[str]]] = {}
    for path in sorted(paths, key=lambda path: not path.roles["request"]):
        places = path.places(namer)
        forward = places in merged or places[::-1] not in merged
        counts = merged.setdefault(places if forward else places[::-1], {})
        counts.setdefault(forward, Counter()).update(path.roles)
    return merged


def _boxes(places: tuple[Place, ...]) -> list[Box]:
    return [
        Box(label, known, tuple(place.dev for place in inside))
        for (label, known), inside in groupby(places, key=lambda place: (place.space, place.known))
    ]


def _what(roles: Counter[str]) -> str:
    texts = []
    for role in sorted(roles, key=lambda role: (role != "request", role != "reply")):
        count, (one, many) = roles[role], NOUNS.get(role, OTHER)
        if count:
            texts.append(f"{count:,} {one if count == 1 else many}")
    return ", ".join(texts)


def _beside(boxes: list[Box], ways: list[Way]) -> list[str]:
    """Boxes side by side; an arrow takes the place of the wall it goes through."""
    plain = [_inside(box, boxes, ARROWS[True]) for box in boxes]
    cells = [max(map(width, (inside.text(0), f" {box.label} "))) for box, inside in zip(boxes, plain, strict=True)]
    labels = "|".join(center(box.label, room) for box, room in zip(boxes, cells, strict=True))
    wall = f"+{'+'.join(_wall(box, room) for box, room in zip(boxes, cells, strict=True))}+"
    rows = [f"{_row(boxes, cells, ARROWS[way.forward])}  {way.what}" for way in ways]
    return [f" {labels}".rstrip(), wall, *rows, wall]


def _row(boxes: list[Box], cells: list[int], arrow: Arrow) -> str:
    insides = [_inside(box, boxes, arrow) for box in boxes]
    texts = [inside.text(room - width(inside.text(0))) for inside, room in zip(insides, cells, strict=True)]
    return _side(boxes[0]) + "-".join(texts) + _side(boxes[-1])


def _wall(box: Box, cells: int) -> str:
    return (("-" if box.known else " -") * cells)[:cells]


def _side(box: Box) -> str:
    return "|" if box.known else ":"


def _inside(box: Box, boxes: list[Box], arrow: Arrow) -> Inside:
    """What stands between a box's walls."""
    first, last = box is boxes[0], box is boxes[-1]
    names = f" {arrow.whole} ".join(box.devices)
    return Inside(
        (" " if first else arrow.after_wall) + names + (" " if last else arrow.before_wall), " " if last else "-"
    )


def _below(boxes: list[Box], ways: list[Way]) -> list[str]:
    """Boxes on top of each other, for narrow terminals; ways down and up have a column each."""
    heads = ["v" if way.forward else "^" for way in ways]
    inside = max(width(text) for box in boxes for text in (f" {box.label}: ", *(f"   {dev} " for dev in box.devices)))
    inside = max(inside, 4 + 2 * len(heads))
    marks = dict(zip(range(3, inside, 2), heads, strict=False))
    texts = [f"+{_wall(boxes[0], inside)}+"]
    for above, box in zip([None, *boxes], boxes, strict=False):
        if above:
            texts.append(f"+{_marked(_wall(above if above.known else box, inside), marks)}+")
        gap = f"\n{_marked(' ' * inside, marks)}\n"
        rows = [f" {box.label}:", *gap.join(f"   {dev}" for dev in box.devices).split("\n")]
        texts += [f"{_side(box)}{ljust(row, inside)}{_side(box)}" for row in rows]
    texts.append(f"+{_wall(boxes[-1], inside)}+")
    return [*texts, *(f"{head} {way.what}" for head, way in zip(heads, ways, strict=True))]


def _marked(text: str, marks: dict[int, str]) -> str:
    return "".join(marks.get(number, char) for number, char in enumerate(text))
