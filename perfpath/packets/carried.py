"""What a level carries inside: where the next level begins, and what it begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets.span import joined

if TYPE_CHECKING:
    from perfpath.packets.span import Span
    from perfpath.tables import Array


@dataclass(frozen=True, slots=True)
class Carried:
    """span: its rows are those of the level around it. ethernet: bool[m], else `ethertype` (int64[m]) names the header.

    carrier: int8[m], see schema.CARRIERS.
    """

    span: Span
    ethernet: Array
    ethertype: Array
    carrier: Array


def carried(span: Span, carrier: int, ethertype: Array | int, ethernet: Array | bool = False) -> Carried:
    """Spans that one kind of carrier carries."""
    size = len(span)
    return Carried(
        span,
        np.broadcast_to(np.asarray(ethernet), size),
        np.broadcast_to(np.asarray(ethertype, np.int64), size),
        np.full(size, carrier, np.int8),
    )


def gathered(parts: list[Carried]) -> Carried | None:
    """All of it in one; None where nothing carries anything."""
    parts = [part for part in parts if len(part.span)]
    if not parts:
        return None
    return Carried(
        joined([part.span for part in parts]),
        np.concatenate([part.ethernet for part in parts]),
        np.concatenate([part.ethertype for part in parts]),
        np.concatenate([part.carrier for part in parts]),
    )
