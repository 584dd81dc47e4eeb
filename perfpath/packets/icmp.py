"""ICMP and ICMPv6: echo, errors with the packet they are about, neighbour discovery."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets import layouts
from perfpath.packets.carried import carried
from perfpath.packets.ethernet import IPV4, IPV6
from perfpath.packets.schema import IN_ERROR
from perfpath.packets.span import BOUNDLESS

if TYPE_CHECKING:
    from perfpath.packets.carried import Carried
    from perfpath.packets.sheet import Sheet
    from perfpath.packets.span import Span
    from perfpath.tables import Array

ECHO_REPLY, UNREACHABLE, ECHO, FRAGMENTATION_NEEDED = 0, 3, 8, 4
IDENTIFIED = (0, 8, 13, 14, 15, 16, 17, 18)
"""Echo, timestamp, information and address mask, and their replies: RFC 792, 950."""
ERRORS = (3, 4, 5, 11, 12)
EXTENSIBLE = (3, 11, 12)
"""Errors that say how much of the packet they quote: RFC 4884."""

ECHO6, ECHO_REPLY6, TOO_BIG6 = 128, 129, 2
ERRORS6 = (1, 2, 3, 4)
EXTENSIBLE6 = (1, 3)
SOLICITATION, ADVERTISEMENT, REDIRECT = 135, 136, 137
"""Neighbour discovery messages with a target: RFC 4861."""


def icmp(sheet: Sheet, span: Span, whole: Array) -> list[Carried]:
    """Read ICMP."""
    body, kind, code = _typed(sheet, span)
    _echoes(sheet, body, np.isin(kind, IDENTIFIED), span, whole)
    needed = body.take((kind == UNREACHABLE) & (code == FRAGMENTATION_NEEDED))
    after, header = sheet.read(needed, layouts.ICMP_REST)
    sheet.set("icmp_mtu", after.rows, np.where(header["seq"] > 0, header["seq"].astype(np.int64), -1))
    errors = np.isin(kind, ERRORS)
    extensible = np.isin(kind[errors], EXTENSIBLE)
    return _quotation(sheet, body.take(errors), np.where(extensible, 4, 0), shift=16, ethertype=IPV4)


def icmp6(sheet: Sheet, span: Span, whole: Array) -> list[Carried]:
    """Read ICMPv6."""
    body, kind, _ = _typed(sheet, span)
    _echoes(sheet, body, np.isin(kind, (ECHO6, ECHO_REPLY6)), span, whole)
    after, header = sheet.read(body.take(kind == TOO_BIG6), layouts.LONG)
    sheet.set("icmp_mtu", after.rows, header["value"])
    targeted = body.take(np.isin(kind, (SOLICITATION, ADVERTISEMENT, REDIRECT))).advanced(4)
    after, header = sheet.read(targeted, layouts.ADDRESS6)
    sheet.set("nd_hi", after.rows, header["hi"])
    sheet.set("nd_lo", after.rows, header["lo"])
    errors = np.isin(kind, ERRORS6)
    extensible = np.isin(kind[errors], EXTENSIBLE6)
    return _quotation(sheet, body.take(errors), np.where(extensible, 8, 0), shift=24, ethertype=IPV6)


def _typed(sheet: Sheet, span: Span) -> tuple[Span, Array, Array]:
    """Read type and code; returns what is behind the checksum, and the two."""
    span, header = sheet.read(span, layouts.ICMP)
    sheet.set("icmp_type", span.rows, header["type"])
    sheet.set("icmp_code", span.rows, header["code"])
    body = span.advanced(layouts.ICMP.itemsize)
    brief = body.room() < layouts.ICMP_REST.itemsize  # no message of either version has less
    if brief.any():
        sheet.short(body.take(brief), layouts.ICMP_REST.itemsize)
    return body, header["type"], header["code"]


def _echoes(sheet: Sheet, body: Span, chosen: Array, before: Span, whole: Array) -> None:
    """Read identifier and sequence number, and find the payload behind them."""
    rest, header = sheet.read(body.take(chosen), layouts.ICMP_REST)
    sheet.set("icmp_id", rest.rows, header["id"])
    sheet.set("icmp_seq", rest.rows, header["seq"])
    rest = rest.advanced(layouts.ICMP_REST.itemsize)
    known = (whole if len(rest) == len(before) else whole[np.isin(before.rows, rest.rows)]) & (rest.stop < BOUNDLESS)
    sheet.set("payload_len", rest.rows, np.where(known, rest.stop - rest.at, -1))
    sheet.set("payload_at", rest.rows, rest.at - sheet.base[rest.rows])


def _quotation(sheet: Sheet, body: Span, unit: Array, *, shift: int, ethertype: int) -> list[Carried]:
    """The packets that errors quote.

    unit: int64[m], in how many bytes RFC 4884 counts the quotation's length (0: this type has none); that length
    stands `shift` bits up in the word behind the checksum. Extensions behind a quotation aren't read as part of it.
    """
    after, header = sheet.read(body, layouts.LONG)
    if len(after) != len(body):
        unit = unit[np.isin(body.rows, after.rows)]
    quoted = after.advanced(layouts.LONG.itemsize)
    length = (header["value"].astype(np.int64) >> shift & 0xFF) * unit
    quoted = quoted.stopped(quoted.at + np.where(length > 0, length, BOUNDLESS))
    quoted = quoted.quoted()
    return [carried(quoted.take(quoted.room() > 0), IN_ERROR, ethertype)]
