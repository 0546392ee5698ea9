"""Codec: what may cross, what comes back, and how a refusal reads."""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_worker import codec
from workflow_worker.errors import InvalidPayload
from workflow_worker.model import Event


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Item:
    sku: str
    cents: int


@dataclass
class Order:
    order_id: str
    items: list[Item]


class Paid(TypedDict):
    cents: int


class Sent(msgspec.Struct):
    at: dt.datetime


class Engine:
    pass


@dataclass
class Car:
    engine: Engine


@dataclass
class Lost:
    what: Nowhere  # noqa: F821 - the point of it


@dataclass
class Tree:
    children: list[Tree]


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_values_come_back_as_they_went(value: object) -> None:
    assert codec.decode(codec.encode(value, "it")) == value


@given(PLAIN)
def test_what_is_written_is_json_for_everybody_else(value: object) -> None:
    assert json.loads(codec.encode(value, "it")) == value


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Order("o-1", [Item("tea", 5)]), Order),
        ({"cents": 5}, Paid),
        (Sent(dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC)), Sent),
        (uuid.UUID(int=7), uuid.UUID),
        (Decimal("1.10"), Decimal),
        (Colour.RED, Colour),
        (b"\x00\xff", bytes),
        (dt.timedelta(seconds=90), dt.timedelta),
        ({1, 2}, set[int]),
        ((1, "a"), tuple[int, str]),
        (None, None),
        ({7: "a"}, dict[int, str]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_annotated_values_come_back_in_their_type(
    value: object, annotation: object
) -> None:
    assert codec.decode(codec.encode(value, "it"), annotation) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: x,
        lambda x: [None, x],
        lambda x: {"a": {"b": x}},
        lambda x: (1, x),
        lambda x: Item("tea", x),
    ],
)
def test_nan_and_infinity_are_refused_wherever_they_hide(
    value: float, wrap: Any
) -> None:
    with pytest.raises(InvalidPayload, match=r"result of action f .* NaN or Infinity"):
        codec.encode(wrap(value), "result of action f")


def test_none_is_not_taken_for_nan() -> None:
    assert codec.encode({"a": [None, 1.5]}, "it") == b'{"a":[null,1.5]}'


def test_what_has_no_json_form_is_named_with_its_type() -> None:
    with pytest.raises(InvalidPayload) as caught:
        codec.encode([Engine()], "result of action f")
    assert str(caught.value) == (
        f"result of action f (list) can't be encoded as JSON: {__name__}.Engine "
        "has no JSON form"
    )


def _endless() -> object:
    value: list[object] = []
    value.append(value)
    return value


@pytest.mark.parametrize("value", ["\ud800", _endless(), {(1, 2): 3}])
def test_values_that_break_an_encoder_are_refused_in_a_sentence(value: object) -> None:
    with pytest.raises(InvalidPayload, match=r"^it .* can't be encoded as JSON"):
        codec.encode(value, "it")


def test_a_value_as_long_as_allowed_passes_and_one_byte_more_does_not() -> None:
    assert codec.encode("abc", "it", max_bytes=5) == b'"abc"'
    with pytest.raises(InvalidPayload, match=r"it is 5 bytes long, .* allows 4"):
        codec.encode("abc", "it", max_bytes=4)
    assert codec.decode(b'"abc"', max_bytes=5) == "abc"
    with pytest.raises(InvalidPayload, match=r"it is 5 bytes long, .* allows 4"):
        codec.decode(b'"abc"', what="it", max_bytes=4)


@pytest.mark.parametrize("value", [[1], "text", 5, None])
def test_a_payload_is_an_object(value: object) -> None:
    with pytest.raises(InvalidPayload, match="payload must be a JSON object"):
        codec.encode_object(value, "payload")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"order_id": 1, "items": []}, "it, field order_id: expected str, got int"),
        (
            {"order_id": "o", "items": [{"sku": "a", "cents": "5"}]},
            "it, field items[0].cents: expected int, got str",
        ),
        ({"items": []}, "it: object missing required field order_id"),
        (
            {"order_id": "o", "items": [{"sku": "a"}]},
            "it, field items[0]: object missing required field cents",
        ),
        ([], "it: expected object, got array"),
    ],
)
def test_a_mismatch_names_the_field(value: object, sentence: str) -> None:
    with pytest.raises(InvalidPayload) as decoding:
        codec.decode(json.dumps(value).encode(), Order, "it")
    with pytest.raises(InvalidPayload) as converting:
        codec.convert(value, Order, "it")
    assert str(decoding.value) == str(converting.value) == sentence


@pytest.mark.parametrize("data", [b"", b"{", b"nope", b'"\xff"', b"[" * 100_000])
def test_broken_json_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(InvalidPayload, match=r"^it is not valid JSON"):
        codec.decode(data, what="it")


@pytest.mark.parametrize("annotation", [Engine, Car, list[Engine], complex, Lost])
def test_a_type_without_json_form_is_known_beforehand(annotation: object) -> None:
    with pytest.raises(TypeError, match=r"has no JSON form|can't be resolved"):
        codec.require_type(annotation)


@pytest.mark.parametrize(
    "annotation", [Order, Paid, Sent, Tree, Any, int | None, dict[str, list[Decimal]]]
)
def test_a_type_with_json_form_is_accepted(annotation: object) -> None:
    codec.require_type(annotation)


@pytest.mark.parametrize(
    "annotation", [int, dict, dict[str, int], list[Order], Engine, Car]
)
def test_what_is_no_record_is_not_taken_for_one(annotation: object) -> None:
    with pytest.raises(TypeError):
        codec.require_record(annotation)


def test_a_record_of_plain_types_is_accepted() -> None:
    for annotation in (Order, Paid, Sent):
        codec.require_record(annotation)


def test_keys_are_converted_as_they_are_decoded() -> None:
    assert codec.convert({"7": "a"}, dict[int, str], "it") == {7: "a"}


def test_annotations_that_say_nothing_decode_to_plain_types() -> None:
    assert codec.plain(object) is Any
    assert codec.plain(NoReturn) is Any
    assert codec.plain(int) is int


@pytest.mark.parametrize("value", [5, None, b"x", "\udc80"])
def test_text_that_utf8_cannot_carry_is_refused(value: object) -> None:
    with pytest.raises(InvalidPayload, match=r"^state "):
        codec.require_text(value, "state")


def test_an_entry_with_a_name_alone_is_an_event() -> None:
    event = codec.event_from_fields("1-0", [b"name", b"a"])
    assert (event.name, event.payload, event.key, event.id) == ("a", {}, "1-0", "1-0")
    assert (event.execution_id, event.headers, event.published_at) == ("", {}, None)


def test_every_field_finds_its_place_in_the_event() -> None:
    fields = {
        b"name": "größe".encode(),
        b"payload": b'{"a": [1]}',
        b"key": b"k",
        b"id": b"i",
        b"execution_id": b"0-x.flow",
        b"headers": b'{"trace": "t"}',
        b"published_at": b"1700000000123",
    }
    event = codec.event_from_fields("1-0", fields)
    assert event.name == "größe"
    assert event.payload == {"a": [1]}
    assert (event.key, event.id, event.execution_id) == ("k", "i", "0-x.flow")
    assert event.headers == {"trace": "t"}
    assert event.published_ms == 1700000000123


def test_fields_read_the_same_from_a_list_and_from_a_dict() -> None:
    flat = [b"name", b"a", b"key", b"k", b"extra", b"1"]
    by_name = dict(zip(flat[::2], flat[1::2], strict=True))
    assert codec.event_from_fields("1-0", flat) == codec.event_from_fields(
        "1-0", by_name
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({b"id": b"i", b"_origin": b"o"}, "i"),
        ({b"_origin": b"o"}, "o"),
        ({}, "9-0"),
        ({b"id": b"", b"key": b""}, "9-0"),
    ],
)
def test_a_copy_has_the_id_of_its_event(
    fields: dict[bytes, bytes], expected: str
) -> None:
    event = codec.event_from_fields("9-0", {b"name": b"a", **fields})
    assert (event.id, event.key) == (expected, expected)


def test_unknown_fields_become_headers_that_the_headers_field_overrules() -> None:
    fields = {b"name": b"a", b"x": b"1", b"y": b"2", b"headers": b'{"y": 3}'}
    assert codec.event_from_fields("1-0", fields).headers == {"x": "1", "y": 3}


def test_what_a_copy_could_not_carry_on_is_no_header() -> None:
    fields = {b"name": b"a", b"_workflow": b"w", b"_foreign": b"2"}
    assert codec.event_from_fields("1-0", fields).headers == {}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({b"name": b""}, "the entry has no field name"),
        ({b"name": b"\xff"}, "field name is not UTF-8"),
        ({b"payload": b""}, "field payload is not valid JSON"),
        ({b"payload": b"{"}, "field payload is not valid JSON"),
        ({b"payload": b'{"a": "\xff"}'}, "field payload is not valid JSON"),
        ({b"payload": b"[1]"}, "field payload is not a JSON object"),
        ({b"headers": b"5"}, "field headers is not a JSON object"),
        ({b"key": b"\xff"}, "field key is not UTF-8"),
        ({b"id": b"\xff"}, "field id is not UTF-8"),
        ({b"extra": b"\xff"}, "of a header is not UTF-8"),
        ({b"\xff": b"extra"}, "name of a header is not UTF-8"),
        ({b"published_at": b"soon"}, "field published_at must be milliseconds"),
        ({b"published_at": b"nan"}, "field published_at must be milliseconds"),
        ({b"published_at": b"-1"}, "field published_at must be milliseconds"),
        ({b"published_at": b"9" * 400}, "field published_at must be milliseconds"),
    ],
)
def test_an_entry_that_is_no_event_says_which_field_is_wrong(
    fields: dict[bytes, bytes], sentence: str
) -> None:
    with pytest.raises(InvalidPayload, match=sentence):
        codec.event_from_fields("1-0", {b"name": b"a", **fields})


def test_a_payload_one_byte_over_the_limit_is_refused() -> None:
    fields = {b"name": b"a", b"payload": b'{"a": 1}'}
    assert codec.event_from_fields("1-0", fields, max_bytes=8).payload == {"a": 1}
    with pytest.raises(InvalidPayload, match="field payload is 8 bytes long"):
        codec.event_from_fields("1-0", fields, max_bytes=7)


def _read(read: Callable[[], Event]) -> object:
    try:
        return read()
    except InvalidPayload as error:
        return str(error)


@given(
    st.sampled_from([b"1700000000123", b"0", b"1e12", b"-1", b"soon", b""]),
    st.one_of(st.just("größe".encode()), st.binary(min_size=1, max_size=9)),
    st.sampled_from([b'{"a": [1]}', b"{}", b"[]", b"{", b'{"a": "\xff"}']),
    st.one_of(st.just(b""), st.just(b"k"), st.binary(max_size=9)),
)
def test_a_plain_event_reads_as_any_other(
    stamp: bytes, name: bytes, payload: bytes, key: bytes
) -> None:
    fields = {b"published_at": stamp, b"name": name, b"payload": payload, b"key": key}
    plain = _read(lambda: codec.plain_event("9-0", stamp, name, payload, key))
    assert plain == _read(lambda: codec.event_from_fields("9-0", fields))


@given(st.dictionaries(st.binary(max_size=12), st.binary(max_size=30)))
def test_no_garbage_gets_past_as_anything_but_an_event_or_a_sentence(
    fields: dict[bytes, bytes],
) -> None:
    try:
        event = codec.event_from_fields("1-0", {b"name": b"a", **fields})
    except InvalidPayload:
        return
    assert event.name
    codec.encode(event.headers, "headers")
