"""Distinct paths: what is worked out for a path once holds for each of the thousands of packets that took it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from perfpath.tables import Array

BLOCK = 1 << 15
"""Sightings hashed at once: few enough for what is worked on to stay in the CPU's caches."""
FEW = 16


@dataclass(slots=True)
class Chains:
    """The chains of some sightings, and which of them are alike.

    starts, sizes: of each chain, in the order of the sightings. path: number of its distinct path.
    example: a chain of each path.
    """

    starts: Array
    sizes: Array
    path: Array
    example: Array

    def hops_of(self, path: int) -> slice:
        """The sightings of a path's example."""
        chain = self.example[path]
        return slice(int(self.starts[chain]), int(self.starts[chain] + self.sizes[chain]))

    def spread(self, per_path: list[Array]) -> Array:
        """One value for each sighting, from one array for each path."""
        offsets = np.cumsum([0, *(len(each) for each in per_path[:-1])])
        values = np.concatenate(per_path)
        first = np.repeat(offsets[self.path] - self.starts, self.sizes)
        result: Array = values[first + np.arange(len(first))]
        return result


def grouped(begins: Array, *labels: Array) -> Chains:
    """Find the distinct sequences of labels.

    begins: True where a chain begins. labels: integers, one array for each thing that tells sequences apart.
    Sequences are compared by a 64-bit hash.
    """
    starts = np.flatnonzero(begins)
    sizes = np.diff(starts, append=len(begins))
    words = np.empty(len(begins), np.uint64)
    since = starts.repeat(sizes)
    for begin in range(0, len(words), BLOCK):
        part = slice(begin, min(begin + BLOCK, len(words)))
        word = mixed((np.arange(part.start + 1, part.stop + 1) - since[part]).view(np.uint64))
        for label in labels:
            word ^= label[part].astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            mixed(word)
        words[part] = word
    del since
    sums = np.add.reduceat(words, starts) if len(starts) else words
    example, path = _distinct(sums)
    return Chains(starts, sizes, path, example)


def _distinct(sums: Array) -> tuple[Array, Array]:
    """(where each distinct value stands first, for each value its number): a pass for each of a few, else sorted."""
    path = np.full(len(sums), -1, np.int64)
    examples: list[int] = []
    left = np.arange(min(len(sums), 1))
    while len(left) and len(examples) < FEW:
        examples.append(int(left[0]))
        path[sums == sums[left[0]]] = len(examples) - 1
        left = np.flatnonzero(path < 0)
    if len(left):
        _, first, others = np.unique(sums[left], return_index=True, return_inverse=True)
        path[left] = others + len(examples)
        examples += left[first].tolist()
    return np.array(examples, np.int64), path


def mixed(words: Array) -> Array:
    """splitmix64's finaliser, in place: each bit of the input reaches each bit of the output."""
    words ^= words >> np.uint64(30)
    words *= np.uint64(0xBF58476D1CE4E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    return words
