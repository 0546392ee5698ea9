"""Which heads of requests are not read: what would take long, or could mean two things.

Owns what is refused before it is read any closer. Waitress does that in the one thread
of its loop, with patterns that go back and forth over what fits none of them: a head of
32 KiB could keep every probe waiting for minutes.
"""

from __future__ import annotations

import re

from waitress.parser import (  # type: ignore[import-untyped]  # no stubs
    HTTPRequestParser,
    ParsingError,
)

_FIRST_LINE = re.compile(
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ \r\n]+(?: HTTP/[0-9]\.[0-9])?"
)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Parser(HTTPRequestParser):  # type: ignore[misc]  # no stubs
    """Reads one request."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read the first line and the headers.

        Raises:
            ParsingError: they are none, or can be understood in two ways.
        """
        if not _FIRST_LINE.fullmatch(header_plus.partition(b"\r\n")[0].rstrip()):
            raise ParsingError("Start line is invalid")
        if _CONTROL.search(header_plus):
            raise ParsingError("Control character in the header")
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # an address or a number that is none
            raise ParsingError("Start line or Content-Length is invalid") from error
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            # A proxy before us may have believed the other one, and what is the next
            # request to us would be this one's body to it.
            raise ParsingError("Content-Length beside Transfer-Encoding")
