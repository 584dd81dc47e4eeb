"""What is known of each tracepoint beyond its format: `knowledge.toml`, read."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Tracepoint:
    """One tracepoint, explained; `knowledge.toml` says what each field means.

    name: as EVENTS has it (`net:` left out). known: False where nobody wrote anything about it.
    """

    name: str
    summary: str = "not explained here: its format says what it carries"
    function: str = ""
    where: str = ""
    direction: str = ""
    closes: str = ""
    frees: bool = False
    since: str = ""
    until: str = ""
    mistakes: tuple[str, ...] = ()
    known: bool = True

    @property
    def versions(self) -> str:
        """The kernels that have it, as far as known: "since 3.14", "3.14 to 5.17" or ""."""
        if self.until:
            return f"{self.since} to {self.until}"
        return f"since {self.since}" if self.since else ""


@cache
def tracepoints() -> dict[str, Tracepoint]:
    """All that are explained, by name."""
    entries = tomllib.loads(files("perfpath.lessons").joinpath("knowledge.toml").read_text(encoding="utf-8"))
    return {
        name: Tracepoint(name, **{**entry, "mistakes": tuple(entry.get("mistakes", ()))})
        for name, entry in entries.items()
    }


def explain(name: str) -> Tracepoint:
    """The explanation of a tracepoint; an empty one for those that aren't known."""
    return tracepoints().get(name) or Tracepoint(name, known=False)


def openers() -> frozenset[str]:
    """The events that begin a call which another one ends."""
    return frozenset(point.closes for point in tracepoints().values() if point.closes)
