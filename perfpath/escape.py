"""The one function through which every string that came from outside is shown.

Interface, process, namespace and container names are chosen by others and may hold escape sequences, line breaks,
bidirectional overrides or bytes that are not UTF-8. `visible` makes all of them visible; what a format needs on top
(rich markup, HTML, dot, JSON) is the renderer's.
"""

from __future__ import annotations

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(text: str) -> str:
    r"""The text with everything unprintable as \xNN, \uNNNN or \UNNNNNNNN; surrogate escapes as the byte they hide."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char) for char in text)


def _shown(char: str) -> str:
    if unicodedata.category(char) not in _HIDDEN:
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # what os.fsdecode makes of a byte that isn't UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
