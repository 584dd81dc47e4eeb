"""Writes perf.data as perf and the kernel do, for machines that nobody here has: any byte order, 32 or 64 bits.

Written from the documents (perf.data-file-format.txt, perf_event.h), not from the reader.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

IP, TID, TIME, ADDR, READ, CALLCHAIN, ID, CPU, PERIOD, STREAM_ID, RAW = (1 << bit for bit in range(11))
IDENTIFIER = 1 << 16
READ_GROUP = 1 << 3
SAMPLE_ID_ALL_BIT = 18
TRACEPOINTS = {"net_dev_queue": 2304, "netif_rx": 2302}


@dataclass(frozen=True)
class Hit:
    """A tracepoint hit."""

    time: int
    cpu: int
    pid: int
    tid: int
    event: str
    skb: int
    length: int
    dev: bytes
    flags: int = 0
    chain: tuple[int, ...] = ()


@dataclass(frozen=True)
class Comm:
    time: int
    tid: int
    name: bytes


@dataclass(frozen=True)
class Fork:
    time: int
    tid: int
    parent: int


@dataclass(frozen=True)
class Netns:
    time: int
    tid: int
    inum: int


@dataclass(frozen=True)
class Lost:
    time: int
    cpu: int
    count: int


@dataclass(frozen=True)
class Throttle:
    """THROTTLE, or UNTHROTTLE."""

    time: int
    cpu: int
    event: str
    begins: bool


@dataclass(frozen=True)
class Round:
    """FINISHED_ROUND."""


@dataclass(frozen=True)
class Other:
    """A sample of the machine's other event of this number, with RAW where that has RAW."""

    time: int
    cpu: int
    tid: int
    number: int = 0
    raw: bytes = b""


Item = Other | Hit | Comm | Fork | Netns | Lost | Throttle | Round


@dataclass(frozen=True)
class Machine:
    """Who writes: byte order, bytes of a long, and what its perf was asked for.

    shifted: an RT kernel has one more common field. relative: __rel_loc. inline: the name is a fixed array.
    others: (type, config, sample_type) of events that aren't tracepoints. traced: whether there are tracepoints too.
    sample_id_all: whether records that aren't samples have a trailer (kernels before 2.6.39 can't).
    """

    order: str = "<"
    long: int = 8
    sample_type: int = IP | TID | TIME | CPU | PERIOD | RAW | IDENTIFIER
    read_format: int = 0
    shifted: bool = False
    string: str = "dynamic"
    attr_size: int = 128
    features: dict[int, bytes] = field(default_factory=dict, hash=False)
    others: tuple[tuple[int, int, int], ...] = ()
    traced: bool = True
    sample_id_all: bool = True

    def pack(self, code: str, *values: int) -> bytes:
        return struct.pack(self.order + code, *values)

    def record(self, kind: int, body: bytes, misc: int = 0) -> bytes:
        body += b"\0" * (-len(body) % 8)
        return self.pack("IHH", kind, misc, len(body) + 8) + body

    def other_id(self, number: int, cpu: int) -> int:
        return 5000 + 100 * number + cpu

    def event_id(self, event: str, cpu: int) -> int:
        return 100 + 1000 * list(TRACEPOINTS).index(event) + cpu

    # formats

    def fields(self) -> list[tuple[str, str, int]]:
        """(declaration, name, size) behind the common fields."""
        common = [
            ("unsigned short", "common_type", 2),
            ("unsigned char", "common_flags", 1),
            ("unsigned char", "common_preempt_count", 1),
            ("int", "common_pid", 4),
        ]
        if self.shifted:
            common += [("unsigned char", "common_preempt_lazy_count", 1)]
        name = {
            "dynamic": ("__data_loc char[]", "name", 4),
            "relative": ("__rel_loc char[]", "name", 4),
            "inline": ("char", "name[16]", 16),
        }[self.string]
        return [*common, ("void *", "skbaddr", self.long), ("unsigned int", "len", 4), name]

    def offsets(self) -> tuple[dict[str, int], int]:
        found, at = {}, 0
        for _, name, size in self.fields():
            at += -at % min(size, 8 if size == 8 else 4)
            found[name.partition("[")[0]] = at
            at += size
        return found, at

    def format(self, event: str) -> bytes:
        offsets, _ = self.offsets()
        lines = [f"name: {event}", f"ID: {TRACEPOINTS[event]}", "format:"]
        for type_, name, size in self.fields():
            signed = int(type_ == "int")
            bare = name.partition("[")[0]
            lines.append(f"\tfield:{type_} {name};\toffset:{offsets[bare]};\tsize:{size};\tsigned:{signed};")
        lines += ["", 'print fmt: "dev=%s skbaddr=%p len=%u", __get_str(name), REC->skbaddr, REC->len', ""]
        return "\n".join(lines).encode()

    def tracing_data(self) -> bytes:
        texts = [self.format(event) for event in TRACEPOINTS]
        sized = [self.pack("Q", len(text)) + text for text in texts]
        return (
            b"\x17\x08\x44tracing0.6\0"
            + bytes([self.order == ">", self.long])
            + self.pack("I", 4096)
            + b"header_page\0"
            + self.pack("Q", 3)
            + b"abc"
            + b"header_event\0"
            + self.pack("Q", 0)
            + self.pack("I", 1)
            + self.pack("Q", 5)
            + b"hello"
            + self.pack("I", 1)
            + b"net\0"
            + self.pack("I", len(sized))
            + b"".join(sized)
            + self.pack("IIQ", 0, 0, 0)
        )

    # records

    def raw(self, hit: Hit) -> bytes:
        offsets, size = self.offsets()
        out = bytearray(size)

        def put(code: str, name: str, value: int) -> None:
            struct.pack_into(self.order + code, out, offsets[name], value)

        put("H", "common_type", TRACEPOINTS[hit.event])
        put("B", "common_flags", hit.flags)
        put("i", "common_pid", hit.tid)
        put("Q" if self.long == 8 else "I", "skbaddr", hit.skb & (2 ** (8 * self.long) - 1))
        put("I", "len", hit.length)
        if self.string == "inline":
            out[offsets["name"] : offsets["name"] + 16] = hit.dev.ljust(16, b"\0")
            return bytes(out)
        start = size - (offsets["name"] + 4) if self.string == "relative" else size
        put("I", "name", (len(hit.dev) + 1) << 16 | start)
        return bytes(out) + hit.dev + b"\0"

    def sample(self, hit: Hit) -> bytes:
        bits, out = self.sample_type, b""
        number = self.event_id(hit.event, hit.cpu)
        fixed = {
            IDENTIFIER: self.pack("Q", number),
            IP: self.pack("Q", 0xFFFF0000),
            TID: self.pack("ii", hit.pid, hit.tid),
            TIME: self.pack("Q", hit.time),
            ADDR: self.pack("Q", 7),
            ID: self.pack("Q", number),
            STREAM_ID: self.pack("Q", 1),
            CPU: self.pack("II", hit.cpu, 0),
            PERIOD: self.pack("Q", 1),
        }
        out = b"".join(value for bit, value in fixed.items() if bits & bit)
        if bits & READ:
            out += self.pack("QQ", 1, 5) if self.read_format & READ_GROUP else self.pack("Q", 5)
        if bits & CALLCHAIN:
            out += self.pack("Q", len(hit.chain)) + b"".join(self.pack("Q", ip) for ip in hit.chain)
        raw = self.raw(hit)
        raw += b"\xaa" * (-(len(raw) + 4) % 8)  # what the kernel leaves there
        return self.record(9, out + self.pack("I", len(raw)) + raw)

    def other(self, item: Other) -> bytes:
        bits = self.others[item.number][2]
        number = self.other_id(item.number, item.cpu)
        fixed = {
            IDENTIFIER: self.pack("Q", number),
            IP: self.pack("Q", 0xFFFF0000),
            TID: self.pack("ii", item.tid, item.tid),
            TIME: self.pack("Q", item.time),
            ID: self.pack("Q", number),
            CPU: self.pack("II", item.cpu, 0),
            PERIOD: self.pack("Q", 4000),
        }
        out = b"".join(value for bit, value in fixed.items() if bits & bit)
        if bits & RAW:
            raw = item.raw + b"\0" * (-(len(item.raw) + 4) % 8)
            out += self.pack("I", len(raw)) + raw
        return self.record(9, out)

    def trailer(self, time: int, tid: int = 0, cpu: int = 0) -> bytes:
        bits = self.sample_type
        number = self.event_id("net_dev_queue", cpu)
        fields = {
            TID: self.pack("ii", tid, tid),
            TIME: self.pack("Q", time),
            ID: self.pack("Q", number),
            STREAM_ID: self.pack("Q", 1),
            CPU: self.pack("II", cpu, 0),
            IDENTIFIER: self.pack("Q", number),
        }
        return b"".join(value for bit, value in fields.items() if bits & bit and self.sample_id_all)

    def item(self, item: Item) -> bytes:
        if isinstance(item, Hit):
            return self.sample(item)
        if isinstance(item, Other):
            return self.other(item)
        if isinstance(item, Comm | Fork | Netns):
            return self.of_task(item)
        if isinstance(item, Throttle):
            body = self.pack("QQQ", item.time, self.event_id(item.event, item.cpu), 1)
            return self.record(5 if item.begins else 6, body + self.trailer(item.time, cpu=item.cpu))
        if isinstance(item, Lost):
            return self.record(2, self.pack("QQ", 1, item.count) + self.trailer(item.time, cpu=item.cpu))
        return self.record(68, b"")

    def of_task(self, item: Comm | Fork | Netns) -> bytes:
        if isinstance(item, Comm):
            name = item.name + b"\0"
            body = self.pack("ii", item.tid, item.tid) + name + b"\0" * (-len(name) % 8)
            return self.record(3, body + self.trailer(item.time, item.tid))
        if isinstance(item, Fork):
            body = self.pack("iiiiQ", item.tid, item.parent, item.tid, item.parent, item.time)
            return self.record(7, body + self.trailer(item.time, item.parent))
        body = self.pack("iiQ", item.tid, item.tid, 7)
        body += b"".join(self.pack("QQ", 4, item.inum + n) for n in range(7))
        return self.record(16, body + self.trailer(item.time, item.tid))

    # files

    def attr(self, event: str) -> bytes:
        return self.any_attr(2, TRACEPOINTS[event], self.sample_type)

    def any_attr(self, kind: int, config: int, sample_type: int) -> bytes:
        bits = int(self.sample_id_all) << SAMPLE_ID_ALL_BIT
        if self.order == ">":
            bits = int(f"{bits:064b}"[::-1], 2)
        head = self.pack("IIQQQQQ", kind, self.attr_size, config, 1, sample_type, self.read_format, bits)
        return head.ljust(self.attr_size, b"\0")

    def attrs(self) -> list[tuple[bytes, bytes]]:
        """Each attr and its events' ids."""
        events = TRACEPOINTS if self.traced else ()
        found = [(self.attr(event), self.ids(event)) for event in events]
        for number, other in enumerate(self.others):
            found.append((self.any_attr(*other), [self.other_id(number, cpu) for cpu in range(64)]))
        return [(attr, b"".join(self.pack("Q", one) for one in ids)) for attr, ids in found]

    def event_desc(self, names: list[bytes]) -> bytes:
        out = self.pack("II", len(names), self.attr_size)
        for name, (attr, ids) in zip(names, self.attrs(), strict=True):
            out += attr + self.pack("II", len(ids) // 8, 64) + name.ljust(64, b"\0") + ids
        return out

    def ids(self, event: str) -> list[int]:
        return [self.event_id(event, cpu) for cpu in range(64)]

    def pipe_head(self) -> bytes:
        magic = b"PERFILE2" if self.order == "<" else b"2ELIFREP"
        out = magic + self.pack("Q", 16)
        for attr, ids in self.attrs():
            out += self.record(64, attr + ids)
        for bit, body in self.features.items():
            out += self.record(80, self.pack("Q", bit) + body)
        if not self.traced:
            return out
        tracing = self.tracing_data()
        tracing += b"\0" * (-len(tracing) % 8)
        return out + self.pack("IHHI", 66, 0, 12, len(tracing)) + tracing

    def pipe(self, items: list[Item]) -> bytes:
        return self.pipe_head() + b"".join(map(self.item, items))

    def file(self, items: list[Item]) -> bytes:
        tracing = {1: self.tracing_data()} if self.traced else {}
        return self.of_sections(b"".join(map(self.item, items)), {**tracing, **self.features})

    def compressed(self, items: list[Item], kind: int, compress: Callable[[bytes], bytes]) -> list[bytes]:
        """Records of a kind (81 or 83), one for each item. compress: one stream, flushed each time."""
        records = []
        for item in items:
            data = compress(self.item(item))
            if kind == 83:
                data = self.pack("Q", len(data)) + data + b"\0" * (-len(data) % 8)
            records.append(self.pack("IHH", kind, 0, len(data) + 8) + data)
        return records

    def simpleperf(self, items: list[Item], way: str) -> bytes:
        """As Android's simpleperf writes it: the formats stand in the data, in one of three ways."""
        tracing = self.tracing_data()
        body = self.pack("I", len(tracing)) + tracing + b"\0" * (-len(tracing) % 64)
        size = len(body) + 8
        if way == "perf's type":
            first = self.pack("IHH", 66, 0, size) + body
        elif way == "its own type":
            first = self.pack("IHH", 32777, size >> 16, size & 0xFFFF) + body
        else:
            body += bytes(1 << 17)
            whole = self.pack("IHH", 32777, (len(body) + 8) >> 16, (len(body) + 8) & 0xFFFF) + body
            parts = [whole[at : at + 65527] for at in range(0, len(whole), 65527)]
            first = b"".join(self.pack("IHH", 32772, 0, len(part) + 8) + part for part in parts)
            first += self.pack("IHH", 32773, 0, 8)
        meta = {129: b"simpleperf_version\x001.build.123\0"}
        return self.of_sections(first + b"".join(map(self.item, items)), {**self.features, **meta})

    def of_sections(self, data: bytes, sections: dict[int, bytes]) -> bytes:
        magic = b"PERFILE2" if self.order == "<" else b"2ELIFREP"
        entry = self.attr_size + 16
        written = self.attrs()
        attrs_at = 104 + sum(len(ids) for _, ids in written)
        attrs, at = b"", 104
        for attr, ids in written:
            attrs += attr + self.pack("QQ", at, len(ids))
            at += len(ids)
        data_at = attrs_at + len(attrs)
        table_at = data_at + len(data)
        at, table, bodies = table_at + 16 * len(sections), b"", b""
        for bit in sorted(sections):
            table += self.pack("QQ", at, len(sections[bit]))
            bodies += sections[bit]
            at += len(sections[bit])
        bits = sum(1 << bit for bit in sections)
        words = [bits >> 64 * n & (2**64 - 1) for n in range(4)]
        if self.order == ">" and self.long == 4:  # a bitmap of longs
            words = [word >> 32 | (word & 0xFFFFFFFF) << 32 for word in words]
        head = magic + self.pack("QQQQQQQQ", 104, entry, attrs_at, len(attrs), data_at, len(data), 0, 0)
        return head + self.pack("4Q", *words) + b"".join(ids for _, ids in written) + attrs + data + table + bodies
