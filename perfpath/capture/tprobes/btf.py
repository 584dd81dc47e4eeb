"""Where a member of a kernel structure is, from the kernel's own BTF. Only what that needs is read.

The layout is that of include/uapi/linux/btf.h: a header, types one after the other (numbered from 1), strings.
"""

from __future__ import annotations

import struct
from pathlib import Path

from perfpath.errors import CaptureError

BTF = Path("/sys/kernel/btf/vmlinux")
MAGIC = 0xEB9F
INT, ARRAY, STRUCT, UNION, ENUM, FUNC_PROTO, VAR, DATASEC, DECL_TAG, ENUM64 = 1, 3, 4, 5, 6, 13, 14, 15, 17, 19
_MEMBER, _TYPE, _HEADER = struct.Struct("=III"), struct.Struct("=III"), struct.Struct("=HBBIIIII")
_EXTRA_ONCE = {INT: 4, ARRAY: 12, VAR: 4, DECL_TAG: 4}  # bytes behind a type of this kind
_EXTRA_EACH = {STRUCT: 12, UNION: 12, ENUM: 8, FUNC_PROTO: 8, DATASEC: 12, ENUM64: 12}  # and for each of its parts
_LAST_KIND = ENUM64
_DEEPEST = 8


class Btf:
    """The types of a kernel. Raises CaptureError where the data is not BTF of this machine's byte order."""

    def __init__(self, data: bytes) -> None:
        if len(data) < _HEADER.size or struct.unpack_from("=H", data)[0] != MAGIC:
            raise CaptureError(f"{BTF} holds no BTF in this machine's byte order")
        _, _, _, size, types, types_size, strings, strings_size = _HEADER.unpack_from(data)
        self._strings = data[size + strings : size + strings + strings_size]
        self._types = data[size + types : size + types + types_size]
        if len(self._strings) < strings_size or len(self._types) < types_size:
            raise CaptureError(f"{BTF} is shorter than it says")
        self._offsets: list[int] | None = None

    def offset(self, name: str, member: str) -> int:
        """The offset of a member of `struct name`, in bytes, also inside unnamed structs and unions.

        Raises CaptureError where there is none, or it isn't at a whole byte.
        """
        try:
            return self._offset_of(name, member)
        except struct.error as error:
            raise CaptureError(f"{BTF} ends in the middle of a type") from error

    def _offset_of(self, name: str, member: str) -> int:
        for at in self._places():
            text, info, _ = _TYPE.unpack_from(self._types, at)
            if _kind(info) == STRUCT and info & 0xFFFF and self._text(text) == name.encode():
                bits = self._member(at, member.encode(), _DEEPEST)
                if bits is None or bits % 8:
                    raise CaptureError(f"struct {name} of this kernel has no member {member} that can be read")
                return bits // 8
        raise CaptureError(f"this kernel's BTF has no struct {name}")

    def _member(self, at: int, member: bytes, depth: int) -> int | None:
        """Offset in bits of a member of the struct or union at this place, None where it isn't there."""
        _, info, _ = _TYPE.unpack_from(self._types, at)
        if _kind(info) not in (STRUCT, UNION) or not depth:
            return None
        for number in range(info & 0xFFFF):
            text, type_, offset = _MEMBER.unpack_from(self._types, at + _TYPE.size + number * _MEMBER.size)
            bits: int = offset & 0xFFFFFF if info >> 31 else offset  # kind_flag: the upper byte is a bitfield's size
            if self._text(text) == member:
                return bits
            if text == 0 and (inside := self._member(self._at(type_), member, depth - 1)) is not None:
                return bits + inside
        return None

    def _at(self, number: int) -> int:
        places = self._places()
        if not 1 <= number <= len(places):
            raise CaptureError(f"{BTF}: type {number} doesn't exist")
        return places[number - 1]

    def _places(self) -> list[int]:
        """Where each type begins."""
        if self._offsets is None:
            found, at, end = [], 0, len(self._types) - _TYPE.size
            unpack = struct.Struct("=4xI").unpack_from
            while at <= end:
                found.append(at)
                info = unpack(self._types, at)[0]
                kind = _kind(info)
                if not 1 <= kind <= _LAST_KIND:
                    raise CaptureError(f"{BTF}: byte {at} of the types is of a kind ({kind}) that isn't known")
                at += _TYPE.size + _EXTRA_ONCE.get(kind, 0) + _EXTRA_EACH.get(kind, 0) * (info & 0xFFFF)
            self._offsets = found
        return self._offsets

    def _text(self, at: int) -> bytes:
        end = self._strings.find(b"\0", at)
        return self._strings[at:end]


def _kind(info: int) -> int:
    return info >> 24 & 0x1F


def kernel() -> Btf:
    """The running kernel's. Raises CaptureError where it has none."""
    try:
        return Btf(BTF.read_bytes())
    except OSError as error:
        raise CaptureError(f"{BTF} can't be read: {error.strerror}; this kernel gives no BTF") from error
