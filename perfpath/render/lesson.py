"""Pages of the lesson in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from perfpath.escape import visible
from perfpath.render.cells import width
from perfpath.render.lesson_page import Grid, Heading, Listing, Prose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

    from perfpath.render.lesson_page import Block, Page, Span

STYLES = {
    "": "",
    "good": "bold green",
    "bad": "bold red",
    "warn": "yellow",
    "dim": "dim",
    "strong": "bold",
    "name": "cyan",
    "packet0": "black on bright_yellow",
    "packet1": "black on bright_cyan",
    "packet2": "black on bright_green",
    "packet3": "black on bright_magenta",
    "packet4": "black on bright_blue",
    "packet5": "black on bright_red",
}


def show(page: Page, screen: Console) -> None:
    """Print a page; prose is wrapped at the console's width, listings are not."""
    screen.rule(Text(f" {visible(page.title)} ", "bold"), align="left")
    for block in page.blocks:
        _show(block, screen)
        screen.print()


def _show(block: Block, screen: Console) -> None:
    if isinstance(block, Grid):
        if block.caption:
            screen.print(Text(visible(block.caption), "italic"), soft_wrap=False)
        for number, columns in enumerate(_portions(block, screen.width)):
            if number:
                screen.print()
            screen.print(_table(block, columns), soft_wrap=False)
    elif isinstance(block, Listing):
        for line in block.lines:
            screen.print(Padding(_text(line), (0, 0, 0, 2), expand=False), soft_wrap=False, overflow="fold")
    elif isinstance(block, Heading):
        screen.print(Text(visible(block.text), "bold underline"))
    elif isinstance(block, Prose):
        screen.print(_text(block.spans), soft_wrap=False)


def _text(spans: Iterable[Span]) -> Text:
    text = Text()
    for span in spans:
        text.append(visible(span.text), STYLES[span.style])
    return text


GAP = 3
"""Cells between two columns."""


def _portions(grid: Grid, room: int) -> Iterator[list[int]]:
    """The columns of a grid in portions that fit side by side, each with the first column.

    Columns of prose are wrapped instead; centred ones hold marks, and a mark that is cut off would be a lie.
    """
    widths = [_widest(grid, number) for number in range(len(grid.header))]
    portion, used = [0], widths[0]
    for number, cells in enumerate(widths[1:], start=1):
        if number in grid.centered and len(portion) > 1 and used + GAP + cells > room:
            yield portion
            portion, used = [0], widths[0]
        portion.append(number)
        used += GAP + cells
    yield portion


def _widest(grid: Grid, number: int) -> int:
    """The cells that a column takes without wrapping."""
    return max(width(visible(text)) for text in (grid.header[number], *(row[number].text for row in grid.rows)))


def _table(grid: Grid, columns: list[int]) -> Table:
    table = Table(header_style="bold", box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for number in columns:
        marks = number in grid.centered
        table.add_column(
            Text(visible(grid.header[number])),
            justify="center" if marks else "left",
            no_wrap=number == 0 or marks,
            overflow="fold",
        )
    for row in grid.rows:
        table.add_row(*(_text([row[number]]) for number in columns))
    return table
