"""The fields of one event, as the tracepoint's print format or perf's own pretty-printer ("libbeauty") wrote them.

Device names stand there unescaped. The kernel forbids them whitespace, `/` and `:` (dev_valid_name, net/core/dev.c) and
nothing else; we anchor on the key that is known to follow, from the right, so that even a space would do no harm.
"""

from __future__ import annotations

import re

from perfpath.readers.text.record import Fields
from perfpath.schema import UNKNOWN_RC

_SHORT = (b"skbaddr", (b"skbaddr", b"len"))
_ENTRY = (b"napi_id", (b"skbaddr", b"len", b"protocol"))
_KNOWN: dict[str, tuple[bytes, tuple[bytes, ...]]] = {
    "net_dev_queue": _SHORT,
    "netif_rx": _SHORT,
    "netif_receive_skb": _SHORT,
    "net_dev_xmit": (b"skbaddr", (b"skbaddr", b"len", b"rc")),
    "net_dev_start_xmit": (b"queue_mapping", (b"skbaddr", b"len", b"protocol")),
    "net_dev_xmit_timeout": (b"driver", ()),
    "napi_gro_frags_entry": _ENTRY,
    "napi_gro_receive_entry": _ENTRY,
    "netif_receive_skb_entry": _ENTRY,
    "netif_receive_skb_list_entry": _ENTRY,
    "netif_rx_entry": _ENTRY,
}
"""Event -> the key after `dev`, and the keys without which the line was cut (include/trace/events/net.h)."""

_BEAUTY = re.compile(rb'((?:\w+: [^",]+, )*)name: (?:"(.*)"|(\d+))((?:, \w+: [^",]+)*)', re.DOTALL)
_BEAUTY_START = re.compile(rb"\w+: ")
_PAIR = re.compile(rb"(?:^|[ ,(])(\w+)[=:] ?([^ ,]*)")
_ASSIGNED = re.compile(rb"(?:^|[ (])(\w+)=([^ ]*)")
_NULL = {b"(nil)", b"(null)"}
DROP = "skb:kfree_skb"
_LOCATION = re.compile(rb"location=(\S+(?: \[[^]]*\])?)(?: reason: (\w+))?")
_HASHED = re.compile(rb"[0-9a-f]{8}(?:[0-9a-f]{8})?")


def key_after_dev(event: str) -> bytes | None:
    """The key that ends the device's name; None for an event whose fields aren't known."""
    return _KNOWN.get(event, (None,))[0]


def parse_fields(event: str, payload: bytes) -> Fields | None:
    """The fields that EVENTS has columns for; None where a known event lacks one of its own or a value is no number."""
    try:
        return _beauty(event, payload) if _is_beauty(event, payload) else _printed(event, payload)
    except ValueError:
        return None


def _is_beauty(event: str, payload: bytes) -> bool:
    """The print formats of net events have no `key: value`; of others we only know that they have `=` somewhere."""
    if not payload:
        return True
    return _BEAUTY_START.match(payload) is not None and (event in _KNOWN or b"=" not in payload)


def _printed(event: str, payload: bytes) -> Fields | None:
    """`dev=eth0 skbaddr=0xffff... len=98`: by the tracepoint's own print format, or field by field (trace-cmd -R)."""
    dev, rest = None, payload
    after, needed = _KNOWN.get(event, (None, ()))
    if after is not None and payload.startswith(b"dev="):
        end = payload.rfind(b" " + after + b"=")
        if end < 4:
            return None
        dev, rest = payload[4:end], payload[end:]
    values = dict(_ASSIGNED.findall(rest))
    if any(key not in values for key in needed) or (event.endswith("_exit") and b"ret" not in values):
        return None
    if dev is None:
        dev = values.get(b"dev", values.get(b"name") if after is not None else None)
    found = _fields(values, dev, UNKNOWN_RC)
    return _dropped(found, payload) if event == DROP else found


def _dropped(fields: Fields, payload: bytes) -> Fields:
    """With where and why (include/trace/events/skb.h). Older kernels' addresses are hashed in ftrace, without 0x."""
    found = _LOCATION.search(payload)
    if found is None or b" reason=" in payload:  # trace-cmd -R: a number, which each kernel means otherwise
        return fields
    location, reason = found.groups()
    if _HASHED.fullmatch(location):
        location = b"0x" + location
    return fields._replace(location=None if location in _NULL else location, reason=reason)


def _beauty(event: str, payload: bytes) -> Fields | None:
    """`skbaddr: 0xffff..., len: 98, name: "eth0"`; zeros are left out."""
    dev, nameless, rest = None, False, payload
    found = _BEAUTY.fullmatch(payload)
    if found:
        before, dev, pointer, behind = found.groups()
        nameless = pointer is not None
        rest = before + behind
    elif payload and event in _KNOWN and b"name: " in payload:
        return None
    values = dict(_PAIR.findall(rest))
    without_rc = 0 if event == "net_dev_xmit" or event.endswith("_exit") else UNKNOWN_RC
    return _fields(values, dev, without_rc)._replace(nameless=nameless)


def _fields(values: dict[bytes, bytes], dev: bytes | None, without_rc: int) -> Fields:
    rc = values.get(b"rc", values.get(b"ret"))
    return Fields(
        dev,
        _address(values.get(b"skbaddr", values.get(b"skb_addr", b"0"))),
        _bounded(values.get(b"len", b"0"), 1 << 32),
        _bounded(values.get(b"protocol", b"0"), 1 << 16),
        _bounded(values.get(b"ifindex", b"0"), 1 << 31),
        without_rc if rc is None else _signed(rc),
    )


def _address(text: bytes) -> int:
    """A pointer: `0x...` by perf, bare (and hashed) by ftrace."""
    if text in _NULL:
        return 0
    value = int(text, 16) if text.startswith(b"0x") or len(text) in (8, 16) else _integer(text)
    if not 0 <= value < 1 << 64:
        raise ValueError(text)
    return value


def _bounded(text: bytes, limit: int) -> int:
    value = _integer(text)
    if not 0 <= value < limit:
        raise ValueError(text)
    return value


def _signed(text: bytes) -> int:
    """A C int; libbeauty prints negative ones as unsigned."""
    value = _integer(text)
    if not -(1 << 31) < value < 1 << 32:
        raise ValueError(text)
    return value if value < 1 << 31 else value - (1 << 32)


def _integer(text: bytes) -> int:
    if b"_" in text:  # int() would allow 1_000
        raise ValueError(text)
    return int(text, 16) if text.startswith((b"0x", b"0X")) else int(text)
