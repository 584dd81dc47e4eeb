"""A page of the lesson, before anybody decided where it is shown: headings, prose, listings and grids.

Texts are as they came: whoever shows them makes foreign names visible. Styles are meanings, not colours: "" plain,
"good", "bad", "warn", "dim", "strong", "name" (an event or field), and "packet0" to "packet5".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

PACKET_STYLES = 6


class Span(NamedTuple):
    """A piece of a line."""

    text: str
    style: str = ""


Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """Of a page (level 1) or a part of it (2)."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph."""

    spans: Line


@dataclass(frozen=True, slots=True)
class Listing:
    """Lines of fixed width: events, commands, formats."""

    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. right: columns whose cells stand at the right; narrow: those that never wrap."""

    header: tuple[str, ...]
    rows: tuple[tuple[Span, ...], ...]
    caption: str = ""
    centered: frozenset[int] = frozenset()


Block = Heading | Prose | Listing | Grid


@dataclass(slots=True)
class Page:
    """One step of the lesson."""

    title: str
    blocks: list[Block] = field(default_factory=list)

    def say(self, *pieces: str | Span) -> None:
        """Add a paragraph."""
        self.blocks.append(Prose(line(*pieces)))

    def head(self, text: str) -> None:
        """Add a heading inside the page."""
        self.blocks.append(Heading(text))

    def show(self, lines: list[Line]) -> None:
        """Add a listing."""
        self.blocks.append(Listing(tuple(lines)))

    def add(self, block: Block) -> None:
        """Add any block."""
        self.blocks.append(block)


def line(*pieces: str | Span) -> Line:
    """Pieces as spans."""
    return tuple(piece if isinstance(piece, Span) else Span(piece) for piece in pieces)


def packet_style(number: int) -> str:
    """The style of a packet by its number in a display."""
    return f"packet{number % PACKET_STYLES}"
