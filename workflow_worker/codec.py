"""Values to JSON and back: the one place that knows how, and the only one with Any.

Owns encoding, validation against annotations, size limits, and the reading of stream
entries. Every value that cannot cross raises :class:`InvalidPayload` in one sentence
that names the value. Must never guess: what would change its meaning on the way (NaN,
objects without a JSON form) is refused instead.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Never, NoReturn, is_typeddict

import msgspec

from workflow_worker.errors import InvalidPayload, qualified_name
from workflow_worker.model import Event, Json

UUID = uuid.UUID
"""For ``runtime/``, which must not have the module: it could make random ones."""

_LATEST_MS = 253_402_300_799_999
"""End of the year 9999, the last instant a datetime can show."""

_AT = re.compile(r" - at `\$\.?(.*)`$")

_ANYTHING = (object, Never, NoReturn)
"""Annotations that say nothing about the JSON."""

_UNENCODABLE = (TypeError, ValueError, RecursionError, msgspec.MsgspecError)
_UNDECODABLE = (UnicodeError, RecursionError, msgspec.MsgspecError)


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"{qualified_name(type(value))} has no JSON form")


_encoder = msgspec.json.Encoder(enc_hook=_refuse)


def encode(value: object, what: str, *, max_bytes: int = 0) -> bytes:
    """Encode a value as JSON.

    Args:
        value: plain JSON types, dataclass, TypedDict, msgspec.Struct, datetime, UUID,
            Decimal, Enum or bytes, nested as you like.
        what: names the value in errors, ``result of action charge``.
        max_bytes: longest encoding allowed; 0 for any.

    Raises:
        InvalidPayload: it has no JSON form, holds NaN or Infinity, or is too large.
    """
    try:
        data = _encoder.encode(value)
    except _UNENCODABLE as err:
        raise InvalidPayload(
            f"{what} ({qualified_name(type(value))}) can't be encoded as JSON: {err}"
        ) from err
    # msgspec writes NaN and Infinity as null, so only a null is worth a closer look.
    if b"null" in data and not _finite(msgspec.to_builtins(value)):
        kind = qualified_name(type(value))
        raise InvalidPayload(f"{what} ({kind}) holds NaN or Infinity, which JSON lacks")
    _check_size(data, what, max_bytes)
    return data


def encode_object(value: object, what: str, *, max_bytes: int = 0) -> bytes:
    """Encode a payload, which has to become a JSON object; else like :func:`encode`."""
    data = encode(value, what, max_bytes=max_bytes)
    if not data.startswith(b"{"):
        raise InvalidPayload(
            f"{what} must be a JSON object, but {qualified_name(type(value))} is not"
        )
    return data


def decode(
    data: bytes | msgspec.Raw,
    annotation: Any = Any,
    what: str = "value",
    *,
    max_bytes: int = 0,
) -> Any:
    """Decode JSON and validate it against an annotation.

    Args:
        data: the encoded value.
        annotation: what to decode to; Any gives plain JSON types.
        what: names the value in errors.
        max_bytes: longest encoding allowed; 0 for any.

    Raises:
        InvalidPayload: not JSON, too large, or not what the annotation says; names
            the field that differs.
    """
    if max_bytes:
        _check_size(bytes(data), what, max_bytes)
    try:
        return _decoder(annotation).decode(data)
    except msgspec.ValidationError as err:
        raise _mismatch(what, err) from err
    except _UNDECODABLE as err:
        raise InvalidPayload(f"{what} is not valid JSON: {err}") from err


def convert(value: object, annotation: Any, what: str, *, strict: bool = True) -> Any:
    """Validate plain JSON types against an annotation, as :func:`decode` would.

    Args:
        value: what to validate.
        annotation: what it must be.
        what: names the value in errors.
        strict: text is no number, even if one is written in it.

    Raises:
        InvalidPayload: not what the annotation says; names the field that differs.
    """
    try:
        return msgspec.convert(value, annotation, str_keys=True, strict=strict)
    except msgspec.ValidationError as err:
        raise _mismatch(what, err) from err


def plain(annotation: Any) -> Any:
    """Return what :func:`decode` should be asked for: Any where nothing is said."""
    return Any if annotation in _ANYTHING else annotation


def require_type(annotation: Any) -> None:
    """Check once, early, that JSON can be decoded to an annotation.

    Raises:
        TypeError: it can't; one clause that says why.
    """
    try:
        _decoder(annotation)
        parts = [*_parts(msgspec.inspect.type_info(annotation))]
    except NameError as err:
        raise TypeError(f"a field's annotation can't be resolved: {err}") from err
    for info in parts:
        if isinstance(info, msgspec.inspect.CustomType) and info.cls is not object:
            raise TypeError(f"{qualified_name(info.cls)} has no JSON form")


def require_record(annotation: Any) -> None:
    """Check that an annotation describes a JSON object and can be decoded to.

    Raises:
        TypeError: it is neither dataclass nor TypedDict nor msgspec.Struct, or a part
            of it has no JSON form; one clause that says why.
    """
    if not isinstance(annotation, type) or not (
        dataclasses.is_dataclass(annotation)
        or is_typeddict(annotation)
        or issubclass(annotation, msgspec.Struct)
    ):
        raise TypeError(f"{annotation!r} is none of them")
    require_type(annotation)


def require_text(value: object, what: str) -> str:
    """Return the value if it is text that UTF-8 can carry.

    Raises:
        InvalidPayload: it isn't.
    """
    if not isinstance(value, str):
        kind = qualified_name(type(value))
        raise InvalidPayload(f"{what} must be text, but this is a value of type {kind}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as err:
            raise InvalidPayload(f"{what} can't be encoded as UTF-8: {err}") from err
    return value


def event_from_fields(
    entry_id: str,
    fields: dict[bytes, bytes] | Sequence[bytes],
    *,
    max_bytes: int = 0,
) -> Event:
    """Read one stream entry as an event.

    Args:
        entry_id: id of the entry; the event's id where neither ``id`` nor ``_origin``,
            the mark of copies, says otherwise.
        fields: by name, or flat as Redis answers: name, value, name, value.
        max_bytes: longest payload allowed; 0 for any.

    Raises:
        InvalidPayload: it can't be understood; one sentence that names the field.
    """
    if not isinstance(fields, dict):
        fields = dict(zip(fields[::2], fields[1::2], strict=True))
    get = fields.get
    name = get(b"name")
    if not name:
        raise InvalidPayload("the entry has no field name, so it is no event")
    payload, key, address = get(b"payload"), get(b"key"), get(b"execution_id")
    given, stamp = get(b"id") or get(b"_origin"), get(b"published_at")
    event_id = _text(given, "id") if given else entry_id
    return Event(
        _text(name, "name"),
        {} if payload is None else _json_object(payload, "payload", max_bytes),
        _text(key, "key") if key else event_id,
        event_id,
        _text(address, "execution_id") if address else "",
        {} if _OWN_FIELDS.issuperset(fields) else _headers(fields),
        0 if stamp is None else _milliseconds(stamp),
    )


def plain_event(
    entry_id: str, stamp: bytes, name: bytes, payload: bytes, key: bytes
) -> Event:
    """Read an event that has nothing but these fields; else as event_from_fields."""
    return Event(
        _text(name, "name"),
        _json_object(payload, "payload"),
        _text(key, "key") if key else entry_id,
        entry_id,
        published_ms=_milliseconds(stamp),
    )


_MARKS = (b"_origin", b"_workflow", b"_counted", b"_deliveries", b"_since")
"""What the scripts write beside an event's own fields when they copy it."""
_OWN_FIELDS = frozenset(
    (b"name", b"payload", b"key", b"id", b"execution_id", b"published_at", *_MARKS)
)
"""Fields that never become headers."""

_object_decoder: msgspec.json.Decoder[Json] = msgspec.json.Decoder(Json)


def _text(raw: bytes, field: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as err:
        raise InvalidPayload(f"field {field} is not UTF-8 text: {err.reason}") from err


def _json_object(raw: bytes, field: str, max_bytes: int = 0) -> Json:
    if max_bytes:
        _check_size(raw, f"field {field}", max_bytes)
    try:
        return _object_decoder.decode(raw)
    except msgspec.ValidationError as err:
        raise _mismatch(f"field {field} is not a JSON object", err) from err
    except _UNDECODABLE as err:
        raise InvalidPayload(f"field {field} is not valid JSON: {err}") from err


def _headers(fields: dict[bytes, bytes]) -> Json:
    """Return the headers: unknown fields, overruled by the field of that name.

    Nothing that begins with an underscore: requeue drops those as its marks, and an
    event must read the same each time it is handed out.
    """
    named = fields.get(b"headers")
    headers: Json = {
        _text(key, "name of a header"): _text(fields[key], "of a header")
        for key in fields.keys() - _OWN_FIELDS
        if key != b"headers" and not key.startswith(b"_")
    }
    if named is not None:
        headers |= _json_object(named, "headers")
    return headers


def _milliseconds(raw: bytes) -> int:
    try:
        stamp: float = int(raw) if raw.isdigit() else float(raw)
    except ValueError:
        stamp = math.nan
    if not 0 <= stamp <= _LATEST_MS:
        shown = raw[:40].decode(errors="backslashreplace")
        raise InvalidPayload(
            f"field published_at must be milliseconds since 1970, but is {shown!r}"
        )
    return int(stamp)


def _check_size(data: bytes, what: str, max_bytes: int) -> None:
    if max_bytes and len(data) > max_bytes:
        raise InvalidPayload(
            f"{what} is {len(data)} bytes long, MAX_PAYLOAD_BYTES allows {max_bytes}"
        )


def _finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(_finite, value))
    return True


@functools.lru_cache(maxsize=1024)
def _decoder(annotation: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(annotation)


def _mismatch(what: str, err: msgspec.ValidationError) -> InvalidPayload:
    """Say ``payload, field items[0].cents: expected int, got str``."""
    text = str(err)
    found = _AT.search(text)
    if found:
        text = text[: found.start()]
        what = f"{what}, field {found[1]}" if found[1] else what
    return InvalidPayload(f"{what}: {text[:1].lower()}{text[1:].replace('`', '')}")


def _parts(root: msgspec.inspect.Type) -> Iterable[msgspec.inspect.Type]:
    """Walk a type and all it is made of; recursive types are met once."""
    seen: set[int] = set()
    waiting: list[object] = [root]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            waiting.extend(part)
        elif isinstance(part, (msgspec.inspect.Type, msgspec.inspect.Field)):
            if id(part) in seen:
                continue
            seen.add(id(part))
            if isinstance(part, msgspec.inspect.Type):
                yield part
            waiting.extend(getattr(part, name) for name in part.__struct_fields__)
