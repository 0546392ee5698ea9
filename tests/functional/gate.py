"""TLS on loopback in front of a server that has none."""

from __future__ import annotations

import asyncio
import ssl
import threading
from typing import Self


class Gate:
    """Takes TLS connections and passes what they say on to one local port.

    Args:
        target: the port.
        context: with the certificate to show.
    """

    def __init__(self, target: int, context: ssl.SSLContext) -> None:
        self.port = 0
        self._target = target
        self._context = context
        self._open = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        self._open.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda *_: None)
        server = await asyncio.start_server(
            self._join, "127.0.0.1", 0, ssl=self._context
        )
        self.port = server.sockets[0].getsockname()[1]
        self._open.set()
        await self._ended.wait()
        server.close()

    async def _join(
        self, near: asyncio.StreamReader, back: asyncio.StreamWriter
    ) -> None:
        far, forth = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(_pass_on(near, forth), _pass_on(far, back))
        except (OSError, asyncio.CancelledError):
            return
        finally:
            for each in (back, forth):
                each.transport.abort()


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    raise ConnectionAbortedError
