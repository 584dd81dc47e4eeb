"""Which fields of a tracepoint fill which columns of EVENTS: decided once for each format, by the fields' names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfpath.readers.perfdata.decisions import decides
from perfpath.readers.perfdata.probed import probed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.readers.perfdata.formats import Field, Format
    from perfpath.readers.perfdata.probed import Probed

COMMON_SIZE = 8  # common_type to common_pid
_SKB = ("skbaddr", "skb_addr", "skb")
_LEN = ("len", "plen")
_PROTOCOL = ("protocol", "proto")


@dataclass(frozen=True, slots=True)
class Plan:
    """How to read one tracepoint's RAW.

    numbers: column -> field. dev: the field with the interface's name. extra: requested fields by the name of their
    column. named: fields whose values are texts by the format (drop reasons) or addresses of code. swap_protocol: the
    value is in network byte order (a probe read sk_buff itself). probed: the packet's bytes.
    decides: it tells of a decision about a packet (perfpath.readers.perfdata.decisions).
    """

    format: Format
    event: int
    numbers: dict[str, Field]
    dev: Field | None
    extra: dict[str, Field]
    named: dict[str, Field]
    swap_protocol: bool
    probed: Probed | None = None
    decides: bool = False

    @property
    def size(self) -> int:
        """Bytes of RAW that hold the fixed fields, the common ones among them."""
        return max(self.format.size, COMMON_SIZE)

    @property
    def special(self) -> bool:
        """Whether anything is read for this tracepoint alone."""
        odd = any(field.kind != "number" and not field.is_text for field in self.extra.values())
        return bool(self.named) or odd or self.probed is not None or self.decides


def plan_for(form: Format, event: int, requested: Sequence[str]) -> Plan:
    """The plan for a format. event: its code among the names; requested: `event.field`, as the user calls them."""
    numbers: dict[str, Field] = {}
    skb = _number(form, *_SKB)
    if skb is not None and skb.size >= 4:
        numbers["skbaddr"] = skb
    about_packets = "skbaddr" in numbers or form.system == "net"
    wanted = {
        "flags": ("common_flags",),
        "len": _LEN,
        "netns": ("netns",),
        "ifindex": ("ifindex",),
        "rc": _status(form),
    }
    if about_packets:  # a socket's `protocol` is something else
        wanted["protocol"] = _PROTOCOL
    for column, names in wanted.items():
        field = _number(form, *names)
        if field is not None:
            numbers[column] = field
    return Plan(
        form,
        event,
        numbers,
        _device(form, about_packets),
        _requested(form, requested),
        _named(form),
        form.is_probe and "protocol" in numbers,
        probed(form),
        decides(form),
    )


def _number(form: Format, *names: str) -> Field | None:
    found = (form.by_name[name] for name in names if name in form.by_name)
    return next((field for field in found if field.kind == "number" and field.size in (1, 2, 4, 8)), None)


def _status(form: Format) -> tuple[str, ...]:
    """Where a code stands: net_dev_xmit's rc, ret of the *_exit events, the protocol of sk_data_ready's socket."""
    if form.name == "sk_data_ready":
        return ("protocol",)
    if form.name == "net_dev_xmit":
        return ("rc",)
    return ("ret",) if form.name.endswith("_exit") and form.system in {"net", "napi"} else ()


def _device(form: Format, about_packets: bool) -> Field | None:
    """The device's name: `dev`, or `name` where the event is about packets (others name an irq or a module so)."""
    for name in ("dev", "name") if about_packets else ("dev",):
        field = form.by_name.get(name)
        if field is not None and (field.is_text or (field.kind != "number" and form.is_probe)):
            return field
    return None


def _named(form: Format) -> dict[str, Field]:
    """`location` where it is a pointer, and `reason` where the format says what its values are called."""
    found = {name: _number(form, name) for name in ("reason", "location")}
    known = {"reason": "reason" in form.symbols, "location": "skbaddr" in form.by_name}
    return {name: field for name, field in found.items() if field is not None and known[name]}


def _requested(form: Format, requested: Sequence[str]) -> dict[str, Field]:
    found = {}
    for spec in requested:
        event, _, name = spec.rpartition(".")
        if event in {form.event, form.perf_name} and name in form.by_name:
            found[spec] = form.by_name[name]
    return found
