"""``ctx.data``: what an execution keeps under names, for operators and later runs."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from workflow_worker import codec
from workflow_worker.runtime.run import Run


class Data(MutableMapping[str, Any]):
    """The data of a run, usable where its context is.

    Values are kept as the plain JSON types they become, so that they are the same
    whether this run set them or an earlier one.
    """

    __slots__ = ("_run",)

    def __init__(self, run: Run) -> None:
        self._run = run

    def __repr__(self) -> str:
        return f"<data {self._here()!r}>"

    def __getitem__(self, key: str) -> Any:
        return self._here()[key]

    def __setitem__(self, key: str, value: object) -> None:
        run, data = self._run, self._here()
        run.require_open()
        codec.require_text(key, "a key of ctx.data")
        what = f"data value {key}"
        encoded = codec.encode(value, what, max_bytes=run.limit)
        run.data = data
        data[key] = codec.decode(encoded, Any, what)

    def __delitem__(self, key: str) -> None:
        data = self._here()
        self._run.require_open()
        del data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._here())

    def __len__(self) -> int:
        return len(self._here())

    def _here(self) -> dict[str, Any]:
        self._run.require_workflow("ctx.data")
        return {} if self._run.data is None else self._run.data
