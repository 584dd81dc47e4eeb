"""Which colours things have, by rich's names."""

from __future__ import annotations

from perfpath.render.places import UNKNOWN

DIM = "dim"
DROP = "bold red"
GOOD = "green"
DOUBT = "bold yellow"
WEIGHTS = {"error": "bold red", "warning": DOUBT, "info": DIM, "": "bold"}

_PALETTE = ("cyan", "green", "magenta", "blue", "bright_red", "bright_cyan", "bright_green", "bright_magenta", "red")


class Colours:
    """A colour for each namespace, the same wherever it is shown; unknown ones have the colour of doubt."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def of(self, place: str) -> str:
        """The colour of a namespace, by its label."""
        if place == UNKNOWN:
            return DOUBT
        return self._given.setdefault(place, _PALETTE[len(self._given) % len(_PALETTE)])
