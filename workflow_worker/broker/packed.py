"""Reading what the server answers flat, and what the scripts packed with cmsgpack."""

from __future__ import annotations

import msgspec

_LENGTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Bytes of the length behind the first byte: of binary, and of text in MessagePack."""
_SHORT = range(0xA0, 0xC0)
"""First bytes that hold the length themselves."""

_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])


def unpacked(data: bytes) -> list[bytes]:
    """Return the strings, whatever bytes they hold; nothing if it is no such list.

    Lua packs every string as text, UTF-8 or not, which msgspec would refuse.
    """
    try:
        return [_string(bytes(raw)) for raw in _decoder.decode(data)]
    except (msgspec.MsgspecError, ValueError):
        return []


def _string(raw: bytes) -> bytes:
    if raw[0] in _SHORT:
        return raw[1:]
    if raw[0] not in _LENGTHS:
        raise ValueError(f"no string begins with {raw[0]:#x}")
    return raw[1 + _LENGTHS[raw[0]] :]


def as_text(raw: bytes) -> str:
    """Return a name or text that anybody may have written, whatever bytes it holds."""
    return raw.decode("utf-8", "backslashreplace")


def pairs(flat: list[bytes]) -> dict[str, bytes]:
    """Return a flat list of names and values as a mapping; of names twice the last."""
    values = iter(flat)
    return {as_text(name): value for name, value in zip(values, values, strict=True)}
