"""The nearest row before or after another one that shares its key: what sequential code does with a dict, in numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from perfpath.tables import Array


def before(rows: Array, key: Array, among: Array, among_key: Array) -> Array:
    """For each of the rows the position in `among` of the last row before it with its key, -1 for none.

    Rows are ascending in time. A row that stands in both isn't before itself.
    """
    order, group, is_one = _sorted(rows, key, among, among_key)
    number = np.arange(len(order))
    latest = np.maximum.accumulate(np.where(is_one, number, -1))
    found = np.where(latest >= group, order[latest] - len(rows), -1)
    return _unsorted(order, found, len(rows))


def after(rows: Array, key: Array, among: Array, among_key: Array) -> Array:
    """For each of the rows the position in `among` of the first row after it with its key, -1 for none."""
    order, group, is_one = _sorted(rows, key, among, among_key)
    number, size = np.arange(len(order)), len(order)
    following = np.minimum.accumulate(np.where(is_one, number, size)[::-1])[::-1]
    at = np.minimum(following, size - 1)
    same = (following < size) & (group[at] == group) if size else np.zeros(0, bool)
    return _unsorted(order, np.where(same, order[at] - len(rows), -1) if size else number, len(rows))


def _sorted(rows: Array, key: Array, among: Array, among_key: Array) -> tuple[Array, Array, Array]:
    """(order of rows and then `among` by key and row, where each key's group begins, which are of `among`)."""
    every, keys = np.concatenate([rows, among]), np.concatenate([key, among_key])
    asked = np.arange(len(every)) < len(rows)
    order = np.lexsort((~asked, every, keys))  # the asking row first: it is not before itself
    keys, number = keys[order], np.arange(len(order))
    begins = np.ones(len(order), bool)
    begins[1:] = keys[1:] != keys[:-1]
    return order, np.maximum.accumulate(np.where(begins, number, 0)), ~asked[order]


def _unsorted(order: Array, found: Array, length: int) -> Array:
    result = np.full(len(order), -1, np.int64)
    result[order] = found
    return result[:length]
