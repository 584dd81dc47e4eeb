"""What each field of a tracepoint's format says, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfpath.readers.perfdata.formats import Field, Format

COMMON = {
    "common_type": "the number of the tracepoint on this kernel and boot; a recording brings its own formats with it",
    "common_flags": "bits: 0x01 interrupts off, 0x08 in a hardirq, 0x10 in a softirq, 0x40 an NMI, 0x80 softirqs off",
    "common_preempt_count": "how deep preemption was disabled",
    "common_pid": "the thread that was running: the sender only where flags say that no interrupt was",
}
MEANINGS = {
    "skbaddr": "address of the sk_buff: the key by which a packet is followed; reused as soon as it is freed",
    "len": "bytes of the packet, with its link-layer header when sending, without it when receiving",
    "name": "the interface's name; which namespace it is in isn't said",
    "rc": "what the driver returned: 0 is NETDEV_TX_OK, 16 NETDEV_TX_BUSY",
    "ret": "what the function returned",
    "protocol": "ethertype: 0x0800 IPv4, 0x86dd IPv6, 0x0806 ARP",
    "queue_mapping": "the transmit queue chosen, or the receive queue it came from, plus one",
    "napi_id": "which NAPI instance polled it; 0 without NAPI",
    "vlan_tagged": "1 where a VLAN tag travels beside the packet, not in it",
    "vlan_proto": "kind of the VLAN tag (0x8100, 0x88a8)",
    "vlan_tci": "the VLAN tag: its low 12 bits are the VLAN id",
    "ip_summed": "checksum: 0 not known, 1 fine, 2 sum is there, 3 the device is to fill it in",
    "hash": "flow hash, 0 where it wasn't computed",
    "l4_hash": "1 where the hash covers ports",
    "data_len": "bytes that lie in pages outside the linear part",
    "truesize": "memory that the packet takes",
    "mac_header_valid": "1 where mac_header means something",
    "mac_header": "where the link-layer header begins, from data: negative, it was taken off already",
    "nr_frags": "how many page fragments it has",
    "gso_size": "payload of each segment, where the packet is to be cut or was merged; 0 for one packet",
    "gso_segs": "how many segments",
    "gso_type": "how it is to be cut (bits)",
    "network_offset": "where the IP header begins",
    "transport_offset_valid": "1 where transport_offset means something",
    "transport_offset": "where the TCP, UDP or ICMP header begins",
    "tx_flags": "how its sending is to be time-stamped",
    "location": "where in the kernel it was dropped (an address)",
    "reason": "why it was dropped; the names of the numbers stand in the print fmt",
    "rx_sk": "the socket that received it, 0 for none",
    "driver": "the driver's name",
    "queue_index": "which transmit queue",
}


@dataclass(frozen=True, slots=True)
class Note:
    """One field, annotated. c_type: as C has it. place: its bytes in the record. meaning: "" where nobody wrote it."""

    name: str
    c_type: str
    offset: int
    size: int
    storage: str
    meaning: str
    common: bool


def annotated(form: Format) -> list[Note]:
    """All fields of a format, in its order."""
    return [_note(field) for field in form.fields]


def _note(field: Field) -> Note:
    meaning = COMMON.get(field.name) or MEANINGS.get(field.name, "")
    return Note(field.name, field.type, field.offset, field.size, _storage(field), meaning, field.name in COMMON)


def _storage(field: Field) -> str:
    """How the bytes are to be read."""
    if field.kind == "dynamic":
        return "u32: low half says where the text begins, high half how long it is"
    if field.kind == "relative":
        return "u32: low half says how far behind this field the text begins"
    if field.kind == "array":
        return f"{field.size} bytes in place"
    return f"{'signed' if field.signed else 'unsigned'}, {field.size * 8} bits"
