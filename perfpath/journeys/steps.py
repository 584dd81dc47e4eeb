"""Why packets moved on: each hop's call stack in words (perfpath --why). Each distinct stack is looked at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath.catalogue import entries
from perfpath.journeys.causes import SOFTIRQ_BEGINS
from perfpath.symbols import text_of
from perfpath.tables import Names, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.diagnostics import Diagnostics
    from perfpath.symbols import Symbols

SENT_BEFORE = ("dev_hard_start_xmit", "xmit_one")
"""Below these in a stack another device was sending the packet already: that was the step before."""
SHOWN = 3  # functions of a stack that no rule knows


@dataclass(slots=True)
class Steps:
    """The words for stacks. stacks: the recording's, which may grow; symbols: None where addresses have no names."""

    symbols: Symbols | None
    stacks: Sequence[tuple[int, ...]]
    diagnostics: Diagnostics
    names: dict[str, Names] = field(default_factory=lambda: {"why": Names(), "frames": Names()})
    _known: dict[int, tuple[int, int]] = field(default_factory=dict)

    def told(self, hops: Table) -> Table:
        """HOPS with the columns `why` and `frames`, where the recording has stacks for them."""
        names = {**hops.names, **self.names}  # others it is put together with may have them
        if not len(hops) or not len(self.stacks) or not ((stack := hops["stack"]) >= 0).any():
            return Table(hops.columns, names)
        used, inverse = np.unique(stack, return_inverse=True)
        codes = np.array([self._codes(number) for number in used.tolist()], dtype=np.int32)
        return Table(hops.extended(why=codes[inverse, 0], frames=codes[inverse, 1]).columns, names)

    def _codes(self, number: int) -> tuple[int, int]:
        if not 0 <= number < len(self.stacks):
            return -1, -1
        if number not in self._known:
            frames = [text_of(hex(address), self.symbols) for address in self.stacks[number]]
            why = meaning([entries.function_of(frame) for frame in frames])
            if not why:
                self.diagnostics.note(
                    "nameless-stacks",
                    "call stacks without names: the kernel's symbols are missing, and with them why packets moved on",
                    severity="info",
                    advice="perfpath record --why keeps them, where /proc/kallsyms shows addresses (root)",
                )
            self._known[number] = (
                self.names["why"].code(why) if why else -1,
                self.names["frames"].code("\n".join(frames)),
            )
        return self._known[number]


def meaning(functions: list[str]) -> str:
    """What the functions of a hop's stack (innermost first) did, in words; "" where none has a name."""
    own = []
    for name in functions:
        if name in SOFTIRQ_BEGINS or name in SENT_BEFORE:
            break
        own.append(name)
    found = next((label for rule, label in entries.steps().items() if _fits(rule, own)), "")
    if found:
        return found
    named = [name for name in dict.fromkeys(own) if name]
    return "by " + " < ".join(named[:SHOWN]) if named else ""


def _fits(rule: str, functions: list[str]) -> bool:
    """Whether all functions of a rule stand there, in its order."""
    rest = iter(functions)
    return all(any(_is(wanted, name) for name in rest) for wanted in rule.split(" < "))


def _is(wanted: str, name: str) -> bool:
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted
