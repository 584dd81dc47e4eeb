"""Numbers to category codes by what they are called, a column at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.tables import distinct

if TYPE_CHECKING:
    from perfpath.readers.perfdata.symbols import Symbols
    from perfpath.tables import Array, Names


class Naming:
    """Names the values of one field, each different one once: many drops have few reasons.

    symbols: what the format calls them; None for addresses, which are written in hexadecimal.
    """

    def __init__(self, names: Names, symbols: Symbols | None) -> None:
        self._names = names
        self._text = hex if symbols is None else symbols.text
        self._known, self._codes = np.empty(0, np.int64), np.empty(0, np.int32)

    def codes(self, values: Array) -> Array:
        """int32[n]: the code of each value."""
        strange = values
        if len(self._known):
            place = np.searchsorted(self._known, values)
            strange = values[self._known.take(place, mode="clip") != values]
        if len(strange):
            self._learn(distinct(strange))
            place = np.searchsorted(self._known, values)
        return self._codes[place] if len(values) else np.empty(0, np.int32)

    def _learn(self, values: Array) -> None:
        codes = np.array([self._names.code(self._text(value)) for value in values.tolist()], np.int32)
        known = np.concatenate([self._known.astype(values.dtype), values])
        order = np.argsort(known)
        self._known, self._codes = known[order], np.concatenate([self._codes, codes])[order]
