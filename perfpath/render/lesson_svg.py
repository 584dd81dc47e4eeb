"""Pages of the lesson as a picture of a terminal (SVG), which needs nothing beside itself.

Rich has an exporter of its own, but that loads a font from elsewhere, and leaves it to the viewer to keep the spaces at
the beginning of a text. Here every piece of text says where it stands and how long it is.
"""

from __future__ import annotations

import html
import io
from typing import TYPE_CHECKING

from perfpath.escape import visible
from perfpath.render.cells import width as cells
from perfpath.render.lesson import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console
    from rich.segment import Segment

    from perfpath.render.lesson_page import Page

COLUMNS = 132
CELL, LINE, MARGIN = 8.4, 19, 16  # pixels; the font is 14 high


def svg(pages: Sequence[Page], title: str, columns: int = COLUMNS) -> str:
    """A picture of these pages, so many characters wide."""
    from rich.console import Console

    screen = Console(
        width=columns,
        file=io.StringIO(),
        record=True,
        force_terminal=True,
        color_system="truecolor",
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=True,
    )
    for page in pages:
        show(page, screen)
    lines = list(_lines(screen))
    while lines and not any(segment.text.strip() for segment in lines[-1]):
        lines.pop()
    body = "\n".join(piece for number, line in enumerate(lines) for piece in _line(line, MARGIN + LINE * (number + 1)))
    wide, high = round(2 * MARGIN + columns * CELL), 2 * MARGIN + LINE * len(lines)
    return _PICTURE.format(wide=wide, high=high, title=html.escape(visible(title)), body=body)


def _lines(screen: Console) -> Iterator[list[Segment]]:
    """What was printed, line by line."""
    from rich.segment import Segment

    segments = screen._record_buffer  # noqa: SLF001 - the public exports all render it themselves
    yield from Segment.split_lines(Segment.filter_control(segments))


def _line(line: list[Segment], y: int) -> Iterator[str]:
    """The pieces of a line, each at its place; spaces at their ends are left out."""
    column = 0
    for segment in line:
        text = segment.text
        start = column + len(text) - len(text.lstrip(" "))
        shown = text.strip(" ")
        column += cells(text)
        look, behind = _look(segment)
        if behind:
            yield f'<rect x="{_x(column - cells(text))}" y="{y - LINE + 5}" width="{_x(cells(text)) - MARGIN:.1f}"' + (
                f' height="{LINE}" fill="{behind}"/>'
            )
        if shown:
            length = f'textLength="{cells(shown) * CELL:.1f}" lengthAdjust="spacingAndGlyphs"'
            yield f'<text x="{_x(start)}" y="{y}" {length}{look}>{html.escape(shown)}</text>'


def _x(column: int) -> float:
    return round(MARGIN + column * CELL, 1)


def _look(segment: Segment) -> tuple[str, str]:
    """Attributes of a text, and the colour behind it ("" for none)."""
    style = segment.style
    if style is None:
        return "", ""
    from rich.terminal_theme import MONOKAI

    attributes = ""
    if style.color and not style.color.is_default:
        attributes += f' fill="{style.color.get_truecolor(MONOKAI).hex}"'
    elif style.dim:
        attributes += ' fill="#8a8a8a"'
    attributes += ' font-weight="bold"' * bool(style.bold) + ' font-style="italic"' * bool(style.italic)
    attributes += ' text-decoration="underline"' * bool(style.underline)
    behind = style.bgcolor.get_truecolor(MONOKAI).hex if style.bgcolor and not style.bgcolor.is_default else ""
    return attributes, behind


_PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}">
<title>{title}</title>
<rect width="100%" height="100%" rx="8" fill="#1e1f22"/>
<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" fill="#d8d8d8" xml:space="preserve">
{body}
</g>
</svg>
"""
