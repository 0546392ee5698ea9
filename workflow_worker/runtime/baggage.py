"""What an execution brings along when it continues as new: its data and its undos."""

from __future__ import annotations

from typing import Any

import msgspec

from workflow_worker import codec


class Undo(msgspec.Struct, frozen=True, array_like=True):
    """A compensation that is registered.

    Attributes:
        action: its name.
        args: each encoded.
        kwargs: each encoded.
    """

    action: str
    args: tuple[msgspec.Raw, ...]
    kwargs: dict[str, msgspec.Raw]


class Baggage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the next run of a continued execution starts with.

    Attributes:
        data: of ``ctx.data``; None if it was never touched.
        undo: registered compensations, in order.
    """

    data: dict[str, Any] | None = None
    undo: tuple[Undo, ...] = ()


_encoder = msgspec.json.Encoder()


def pack(data: dict[str, Any] | None, undos: tuple[Undo, ...]) -> bytes:
    """Encode what there is to bring along; empty if that is nothing."""
    if data is None and not undos:
        return b""
    return _encoder.encode(Baggage(data, undos))


def unpack(base: bytes) -> Baggage:
    """Decode what :func:`pack` made.

    Raises:
        InvalidPayload: it is damaged.
    """
    found: Baggage = codec.decode(base, Baggage, "what a continued execution brought")
    return found
