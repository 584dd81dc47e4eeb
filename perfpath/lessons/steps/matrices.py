"""Coverage as grids: events against scenarios, and events against places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.lessons.coverage import Cell, fired, matrix_of
from perfpath.render.lesson_page import Grid, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from perfpath.lessons.coverage import Matrix
    from perfpath.lessons.lesson import Lesson
    from perfpath.lessons.material import Material

ALL = "●"
NEVER = "·"
COLUMNS = 6
"""Places side by side in one grid: it should fit on a screen."""


def overview(lesson: Lesson) -> Grid:
    """For each event and scenario: how many places of packets it shows, and what is wrong with that."""
    events = fired(lesson.shapes)
    header = ("event", *(material.name for material in lesson.materials))
    rows = []
    for event in events:
        matrices = (matrix_of(material.name, material.shapes, [event]) for material in lesson.materials)
        rows.append((Span(event, "name"), *(_total(matrix.cells[event]) for matrix in matrices)))
    caption = "places of packets that each event shows, of all there are"
    return Grid(header, tuple(rows), caption, centered=frozenset(range(1, len(header))))


def matrix_grids(material: Material, order: Iterable[str]) -> Iterator[Grid]:
    """Events against the places of one scenario, along the ways that packets took there; a few ways in each grid."""
    own = set(fired(material.shapes))
    matrix = matrix_of(material.name, material.shapes, [event for event in order if event in own])
    first = 0
    for ways in _portions([len(path) for path, _ in matrix.paths]):
        width = sum(len(matrix.paths[way][0]) for way in ways)
        yield _grid(material, matrix, ways, slice(first, first + width))
        first += width


def _portions(widths: list[int]) -> Iterator[list[int]]:
    """Numbers of ways that fit side by side."""
    portion: list[int] = []
    for way, width in enumerate(widths):
        if portion and sum(widths[one] for one in portion) + width > COLUMNS:
            yield portion
            portion = []
        portion.append(way)
    if portion:
        yield portion


def _grid(material: Material, matrix: Matrix, ways: list[int], part: slice) -> Grid:
    several = len(matrix.paths) > 1
    header = ["event"]
    said = []
    for way in ways:
        path, packets = matrix.paths[way]
        header += [f"{f'{way + 1}: ' if several else ''}{place.direction} {place.dev}" for place in path]
        said.append(f"way {way + 1}: {packets} packet{'s' if packets != 1 else ''}")
    rows = tuple((Span(event, "name"), *map(_mark, cells[part])) for event, cells in matrix.cells.items())
    caption = f"{material.name}: {material.title}" if material.title else material.name
    return Grid(tuple(header), rows, f"{caption} ({'; '.join(said)})", centered=frozenset(range(1, len(header))))


def _total(cells: tuple[Cell, ...]) -> Span:
    packets, shown = sum(cell.packets for cell in cells), sum(cell.shown for cell in cells)
    doubled, late = sum(cell.doubled for cell in cells), sum(cell.late for cell in cells)
    if not shown:
        return Span(NEVER, "dim")
    wrong = [f"{doubled} twice"] * bool(doubled) + [f"{late} late"] * bool(late)
    style = "bad" if wrong else "good" if shown == packets else ""
    return Span(" ".join([f"{shown}/{packets}", *wrong]), style)


def _mark(cell: Cell) -> Span:
    if not cell.shown:
        return Span(NEVER, "dim")
    if cell.perfect:
        return Span(ALL, "good")
    parts = [f"{cell.shown}/{cell.packets}"] * (cell.shown < cell.packets)
    parts += ["2x"] * bool(cell.doubled) + ["late"] * bool(cell.late)
    return Span(" ".join(parts), "bad" if cell.doubled or cell.late else "warn")
