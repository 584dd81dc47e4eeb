"""Pages of the lesson in a terminal, and as a picture of one (SVG)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from perfpath.escape import visible
from perfpath.lessons.page import Grid, Heading, Listing, Prose

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from perfpath.lessons.page import Block, Page, Span

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
SVG_WIDTH = 118


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
        screen.print(_table(block), soft_wrap=False)
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


def _table(grid: Grid) -> Table:
    table = Table(
        header_style="bold",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    for number, title in enumerate(grid.header):
        table.add_column(
            Text(visible(title)),
            justify="center" if number in grid.centered else "left",
            no_wrap=number == 0,
            min_width=min(max(map(len, title.split()), default=1), 16),
            overflow="fold",
        )
    for row in grid.rows:
        table.add_row(*(_text([cell]) for cell in row))
    return table


def svg(pages: Sequence[Page], title: str, width: int = SVG_WIDTH) -> str:
    """A picture of a terminal with these pages. Nothing in it is loaded from elsewhere."""
    from rich.console import Console

    screen = Console(
        record=True,
        width=width,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        markup=False,
        emoji=False,
        highlight=False,
    )
    for page in pages:
        show(page, screen)
    return screen.export_svg(title=visible(title), code_format=_TEMPLATE, unique_id="perfpath")


_TEMPLATE = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <style>
    .{unique_id}-matrix {{ font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: {char_height}px;
        line-height: {line_height}px; }}
    .{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
    <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""
