"""How each kind of value is written, checked and shown.

Owns what is accepted, and how a secret is hidden. It must never know which settings
there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import parse_qsl, urlsplit

T = TypeVar("T")

HIDDEN = "***"
LONGEST_MS = 2**31 - 1
"""24 days: poll(2) and BLOCK take no more."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """How one kind of value is read and shown.

    Attributes:
        accepts: ends the sentence "must be ...".
        metavar: stands for the value in ``--help``.
        read: turns text into the value; ValueError if it can't.
        show: turns text, a wrong one too, into what may be printed.
        nothing: what ``None`` is called.
    """

    accepts: str
    metavar: str
    read: Callable[[str], T]
    show: Callable[[str], str] = str
    nothing: str = "none"


def whole(low: int, high: int, unit: str = "", metavar: str = "N") -> Kind[int]:
    """Whole numbers within bounds, both included."""

    def read(text: str) -> int:
        # int() would take 1_000 and digits of other scripts, which no other tool does.
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise ValueError(text)
        number = int(text)
        if not low <= number <= high:
            raise ValueError(text)
        return number

    return Kind(f"a whole number {unit}from {low} to {high}", metavar, read)


def millis(low: int, high: int = LONGEST_MS) -> Kind[int]:
    """Durations in milliseconds within bounds."""
    return whole(low, high, "of milliseconds ", "MS")


def one_of(*words: str) -> Kind[str]:
    """One of some words, in capitals or not."""

    def read(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(text)
        return text.lower()

    return Kind(f"one of {', '.join(words)}", "|".join(words), read)


def matching(pattern: str, accepts: str, metavar: str) -> Kind[str]:
    """Text that a regular expression matches as a whole."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return Kind(accepts, metavar, read)


def _read_port(text: str) -> int | None:
    return None if text.lower() == "off" else whole(0, 65535).read(text)


def _read_token(text: str) -> str | None:
    # Longer alphabets don't survive an Authorization header.
    if not re.fullmatch(r"[\x21-\x7e]{1,1024}", text):
        raise ValueError(text)
    return text


_SCHEMES = ("redis", "rediss", "unix")
# Others would reach redis-py's connection and undo what broker/connection.py sets.
_URL_OPTIONS = re.compile("(?s)(db|username|password)=.*")
_TLS_OPTIONS = re.compile(
    "ssl_(ca_certs|ca_path|certfile|keyfile)=.+"
    "|ssl_cert_reqs=(none|optional|required)"
    "|ssl_check_hostname=(true|false|yes|no|1|0)"
)


def _read_url(text: str) -> str:
    url = urlsplit(text)
    place = url.path if url.scheme == "unix" else url.hostname
    pairs = parse_qsl(url.query, keep_blank_values=True)
    options = dict(pairs)
    said = [f"{name}={value}" for name, value in pairs]
    if url.scheme == "rediss":
        said = [option for option in said if not _TLS_OPTIONS.fullmatch(option)]
    database = options.get("db", "" if url.scheme == "unix" else url.path.strip("/"))
    if (
        not place
        or url.scheme not in _SCHEMES
        or url.port == 0  # reading it raises ValueError if it is no port at all
        or url.fragment
        or re.search(r"\s", text)
        or not re.fullmatch("[0-9]{0,9}", database)
        or not all(map(_URL_OPTIONS.fullmatch, said))
        or len(options) < len(pairs)  # redis-py would take the first one
    ):
        raise ValueError(text)
    return text


def mask_url(text: str) -> str:
    """Return a Redis URL without its password; of a malformed one only what is safe."""
    try:
        url = urlsplit(_read_url(text))
    except ValueError:
        return _mask_malformed(text)
    user, separator, place = url.netloc.rpartition("@")
    if separator:
        name, _, password = user.partition(":")
        # redis://secret@host: a password in the wrong place is one all the same.
        user = f"{name}:{HIDDEN}" if password else HIDDEN
    query = "&".join(map(_mask_option, url.query.split("&")))
    return url._replace(netloc=user + separator + place, query=query).geturl()


def _mask_option(option: str) -> str:
    name, _, _ = option.partition("=")
    # By what is known to be harmless: the name itself may be percent-encoded.
    return option if re.fullmatch("|db|ssl_[a-z_]+", name) else f"{name}={HIDDEN}"


def _mask_malformed(text: str) -> str:
    # Nobody can tell where the password of a broken URL ends.
    if re.fullmatch(r"[A-Za-z0-9.-]+:[0-9]{1,5}(/[0-9]*)?", text):
        return text
    scheme, separator, _ = text.partition("://")
    known = separator and re.fullmatch("[A-Za-z][A-Za-z0-9+.-]{0,30}", scheme)
    return f"{scheme}://{HIDDEN}" if known else HIDDEN


LEVEL = one_of("debug", "info", "warning", "error", "critical")
FORMAT = one_of("text", "json")
URL = Kind(
    "a URL like redis://HOST:6379/0, rediss://HOST:6379/0 or unix:///PATH?db=0, with "
    "no options but db, username, password and, for rediss, ssl_ca_certs, ssl_ca_path, "
    "ssl_certfile, ssl_keyfile, ssl_cert_reqs=required and ssl_check_hostname=true",
    "URL",
    _read_url,
    mask_url,
)
APP = matching(
    r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", "module:attribute of an App", "M:A"
)
NAMESPACE = matching(
    r"[A-Za-z0-9_.:-]{1,100}",
    "up to 100 letters, digits and any of _ . : -",
    "NAME",
)
HOST = matching(r"[A-Za-z0-9_.:%-]{1,255}", "a host name or an IP address", "HOST")
PORT: Kind[int | None] = Kind(
    "a port from 0 to 65535, 0 for a free one, or off", "PORT", _read_port, str, "off"
)
TOKEN: Kind[str | None] = Kind(
    "up to 1024 visible ASCII characters without a blank",
    "TOKEN",
    _read_token,
    lambda _: HIDDEN,
)
