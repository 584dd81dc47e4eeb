"""Reasons and places of drops: what they mean, and what to look at next.

The kernel names reasons by text (the recording's own), and places by function; both may be unknown here, since every
kernel adds some. Then an entry says so instead of guessing.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

_SUFFIX = re.compile(r"\.(?:constprop|isra|part|cold|llvm)\b.*")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
UNNAMED = "NOT_SPECIFIED"
DOORS = ("nf_hook_slow", "nf_hook_slow_list", "nft_do_chain_bridge", "ebt_do_table")
"""Functions that run the rules of a hook; bridges call those of their first one without nf_hook_slow (br_input.c)."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A drop reason, or a function where packets end.

    name: `NETFILTER_DROP`, `ping_rcv`. meaning and look hold placeholders (reasons.toml lists them).
    harmless: seen on healthy hosts too. socket: it had reached a socket. known: it stands in the catalogue.
    unsure: healthy packets end so too: only the function tells whether it is a drop.
    """

    name: str
    meaning: str
    look: tuple[str, ...] = ()
    harmless: bool = False
    socket: bool = False
    known: bool = True
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Place(Reason):
    """A function that frees packets.

    reasons: the entry holds only together with one of these ("" for a recording without reasons); empty: with any.
    alarm: what really became of the packet, where this is no drop; "" where it is one. outcome: what that end is
    called, "" where nobody knows. only: "reply" or "unseen" limits the alarm. copy: what is freed is always a copy,
    never the packet that a device saw. unicast: the meaning where the packet was for a unicast address; then it isn't
    harmless (locations.toml).
    """

    reasons: tuple[str, ...] = ()
    alarm: str = ""
    outcome: str = ""
    only: str = ""
    copy: bool = False
    unicast: str = ""

    def fits(self, reason: str) -> bool:
        """Whether the entry speaks of drops with this reason."""
        return not self.reasons or reason in self.reasons


def reasons() -> dict[str, Reason]:
    """All reasons by name."""
    return _reasons()


def places() -> dict[str, Place]:
    """All functions by name."""
    return _places()


def place_of(function: str, reason: str) -> Place | None:
    """The entry for drops with this reason in this function, None where there is none."""
    place = _places().get(f"{function} {reason}") or _places().get(function)
    return place if place is not None and place.fits(reason) else None


def function_of(location: str) -> str:
    """The function of a location: `br_flood.isra.0+0x21` -> `br_flood`; "" for a bare address."""
    name = location.partition("+")[0].partition(" ")[0]
    return "" if not name or name.startswith("0x") else _SUFFIX.sub("", name)


def reason_of(name: str) -> Reason:
    """The entry of a reason, or one that says honestly that there is none. "" is a recording without reasons."""
    if not name:
        return Reason("", "no reason recorded by this kernel", known=False, unsure=True)
    found = _reasons().get(name)
    return found or Reason(name, f"the kernel calls this {name}; perfpath has no entry for it yet", known=False)


def meant(reason: str, location: str, *, unicast: bool = False) -> Reason:
    """What a drop means: by its function, where that says more than its reason, else by its reason.

    unicast: the packet is known to have been for a unicast address.
    """
    place = place_of(function_of(location), reason)
    general = reason_of(reason)
    if place is None:
        return general
    other = place.unicast if unicast else ""
    harmless = not other and (place.harmless or general.harmless)
    return Reason(
        reason or place.name.split()[0], other or place.meaning, place.look or general.look, harmless, general.socket
    )


def filled(text: str, given: dict[str, str]) -> str:
    """A text of the catalogue with its placeholders filled; what isn't given stays in words."""
    unknown = {"enter": "", "netns": "its namespace", "dev": "its device", "hook": "hook unknown", "location": "?"}
    return _PLACEHOLDER.sub(lambda found: given.get(found[1]) or unknown.get(found[1], found[1].upper()), text)


def find(name: str) -> list[Reason]:
    """The entries called so: whatever the case, with or without prefix (SKB_DROP_REASON_), or as a location."""
    bare = function_of(name.removeprefix("SKB_DROP_REASON_"))
    found: list[Reason] = [entry for key, entry in _reasons().items() if key.lower() == bare.lower()]
    return found + [entry for key, entry in _places().items() if key.split()[0] == bare]


def near(name: str) -> list[str]:
    """Names of entries that look like this one, best first."""
    every = [*_reasons(), *_places()]
    lower = {key.lower(): key for key in every}
    bare = name.removeprefix("SKB_DROP_REASON_").lower()
    inside = [key for low, key in lower.items() if len(bare) > 2 and bare in low]
    close = [lower[low] for low in get_close_matches(bare, lower, n=5, cutoff=0.6)]
    return list(dict.fromkeys([*inside[:5], *close]))


def hook_of(functions: list[str]) -> str:
    """The firewall hook that a call stack (function names, innermost first) was in; "" for none."""
    hooks = _hooks()
    door = next((n for n, name in enumerate(functions) if name in DOORS), None)
    outer = functions[door + 1 :] if door is not None else []
    for at, name in enumerate(outer):
        for rule, hook in hooks.get(name, ()):
            if not rule or rule in outer[at + 1 :]:
                return hook
    return ""


@cache
def _reasons() -> dict[str, Reason]:
    return {name: Reason(name, **_lists(entry)) for name, entry in _toml("reasons.toml").items()}


@cache
def _places() -> dict[str, Place]:
    found: dict[str, Place] = {}
    for first, entry in _toml("locations.toml").items():
        for name in (first, *entry.pop("also", ())):
            found[name] = Place(name, **_lists(entry))
    return found


@cache
def _hooks() -> dict[str, list[tuple[str, str]]]:
    """By function: (a function that must stand further out, or "", the hook); the first that fits."""
    found: dict[str, list[tuple[str, str]]] = {}
    for rule, hook in _toml("hooks.toml").items():
        name, _, outer = rule.partition(" < ")
        found.setdefault(name, []).append((outer, hook))
    for rules in found.values():
        rules.sort(key=lambda each: not each[0])
    return found


@cache
def steps() -> dict[str, str]:
    """What functions did to a packet since its last hop; of several the first counts."""
    return dict(_toml("steps.toml"))


@cache
def ends() -> dict[str, str]:
    """Outcomes by the function that took a packet as it should be."""
    return dict(_toml("ends.toml"))


@cache
def lineage() -> dict[str, str]:
    """What a packet is to the one in whose course it was made, by a function between them; the first that fits."""
    return dict(_toml("lineage.toml"))


def _lists(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads(files("perfpath.catalogue").joinpath(name).read_text(encoding="utf-8"))
