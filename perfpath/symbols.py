"""Names of kernel addresses: what `%pS` prints, from a table that was saved with a capture."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from perfpath.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = 1


class Symbols(Protocol):
    """Whatever can name addresses."""

    def text(self, address: int) -> str | None:
        """`ping_rcv+0xab` for an address in a function, None where it isn't known."""


class SavedSymbols:
    """Names of those addresses that a capture needs."""

    def __init__(self, texts: dict[int, str]) -> None:
        self.texts = texts

    def text(self, address: int) -> str | None:
        """`ping_rcv+0xab` for an address in a function, None where it isn't known."""
        return self.texts.get(address)


def to_json(symbols: Symbols, addresses: Iterable[int]) -> str:
    """The names of these addresses as text to be saved; those without a name are left out."""
    known = {hex(address): text for address in sorted(set(addresses)) if (text := symbols.text(address)) is not None}
    return json.dumps({"version": VERSION, "symbols": known}, indent=1) + "\n"


def from_json(data: bytes, path: str) -> SavedSymbols:
    """What `to_json` wrote. Raises InputError for anything else."""
    try:
        read = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    try:
        if read["version"] != VERSION:
            raise InputError(f"{path}: symbols of version {read['version']}: this perfpath knows version {VERSION}")
        texts = {int(address, 16): name for address, name in read["symbols"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: these are no symbols that perfpath saved") from error
    if not all(isinstance(name, str) for name in texts.values()):
        raise InputError(f"{path}: these are no symbols that perfpath saved: a name is no text")
    return SavedSymbols(texts)


def text_of(location: str, symbols: Symbols | None) -> str:
    """A location by name where it can be: `0xffffffff8206e0eb` -> `ping_rcv+0xab`; others stay as they are."""
    if symbols is None or not location.startswith("0x"):
        return location
    try:
        address = int(location, 16)
    except ValueError:
        return location
    return symbols.text(address) or location
