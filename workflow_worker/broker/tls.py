"""Why a TLS connection was not made, as one sentence that says what to do.

Owns these sentences. Must never loosen a check: certificates and names are checked
unless ``REDIS_URL`` itself says otherwise.
"""

from __future__ import annotations

import ssl

from redis.connection import SSLConnection

_UNKNOWN_AUTHORITY = frozenset((18, 19, 20, 21))
_OTHER_NAME = frozenset((62, 64))
"""Codes of OpenSSL, X509_V_ERR_*: no chain to a trusted certificate; another name."""
_FILES = ("ca_certs", "ca_path", "certfile", "keyfile")


def sentence(error: BaseException, connection: SSLConnection) -> str:
    """Return what is wrong and what to do; empty if TLS is not to blame.

    Args:
        error: that the connection failed with.
        connection: which.
    """
    found = _cause(error)
    place = f"{connection.host}:{connection.port}"
    if isinstance(found, ssl.SSLCertVerificationError):
        return _refused(found, place)
    named = [f"ssl_{name}" for name in _FILES if getattr(connection, name)]
    if isinstance(found, FileNotFoundError | PermissionError) and named:
        why = (found.strerror or str(found)).lower()
        return f"what REDIS_URL names as {' or '.join(named)} can't be read ({why})"
    if isinstance(found, ssl.SSLError):
        why = (found.reason or str(found)).replace("_", " ").lower()
        return f"{place} made no TLS connection ({why})"
    return ""


def _cause(error: BaseException) -> BaseException:
    """Return the error of the socket behind the one of redis-py."""
    while not isinstance(error, OSError):
        inner = error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    return error


def _refused(error: ssl.SSLCertVerificationError, place: str) -> str:
    why = error.verify_message.rstrip(".")
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return (
            f"the certificate of {place} is not trusted ({why}): name the file of its "
            "authority in REDIS_URL, with ?ssl_ca_certs=/PATH"
        )
    if error.verify_code in _OTHER_NAME:
        return (
            f"the certificate of {place} is for another name ({why}): have REDIS_URL "
            "name the server as its certificate does"
        )
    return f"the certificate of {place} is refused ({why})"
