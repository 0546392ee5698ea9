"""A TCP proxy on loopback that can cut its links or stop passing anything on."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class Proxy:
    """Forwards to one local port."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        """Guards the list of sockets, and that nothing joins it at the end."""
        self._sockets: list[socket.socket] = []
        self._ended = False
        self._flowing = threading.Event()
        self._flowing.set()
        self._stranded: list[threading.Event] = []
        self._to_swallow = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for flowing in (*self._stranded, self._flowing):
            flowing.set()
        self._listener.close()
        with self._lock:
            self._ended = True
        self.cut()

    def cut(self) -> None:
        """Break every link now open, wherever in a message it is."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def freeze(self) -> None:
        """Keep links open, and pass nothing on: half open."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass on again, what was held back too."""
        self._flowing.set()

    def strand(self) -> None:
        """Leave the links now open half open for good; new ones pass on."""
        self._flowing.clear()
        self._stranded.append(self._flowing)
        self._flowing = threading.Event()
        self._flowing.set()

    def swallow(self, answers: int = 1) -> None:
        """Break a link instead of passing on the next answer, so many times."""
        self._to_swallow = answers

    @property
    def to_swallow(self) -> int:
        """How many answers are still to be swallowed."""
        return self._to_swallow

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            with self._lock:
                if self._ended:  # while this one was made
                    near.close()
                    far.close()
                    return
                self._sockets += (near, far)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(
                    target=self._pass_on,
                    args=(source, sink),
                    kwargs={"answers": source is far, "flowing": self._flowing},
                    daemon=True,
                ).start()

    def _pass_on(
        self,
        source: socket.socket,
        sink: socket.socket,
        *,
        answers: bool,
        flowing: threading.Event,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                flowing.wait()
                if answers and self._to_swallow:
                    self._to_swallow -= 1
                    break
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
