"""How many terminal cells a text takes: East Asian wide characters take two, combining ones none."""

from __future__ import annotations

import unicodedata


def width(text: str) -> int:
    """The cells of a text that went through `escape.visible` (no control characters left)."""
    if text.isascii():
        return len(text)
    return sum(_cells(char) for char in text)


def ljust(text: str, cells: int) -> str:
    """The text with spaces after it, at least so wide."""
    return text + " " * (cells - width(text))


def rjust(text: str, cells: int) -> str:
    """The text with spaces before it, at least so wide."""
    return " " * (cells - width(text)) + text


def center(text: str, cells: int) -> str:
    """The text with spaces on both sides, at least so wide."""
    room = cells - width(text)
    return " " * (room // 2) + text + " " * (room - room // 2)


def _cells(char: str) -> int:
    if unicodedata.east_asian_width(char) in "WF":
        return 2
    return 0 if unicodedata.category(char) in ("Mn", "Me") else 1
