"""The driver's own record, outside Redis: written by many processes, read at the end.

Owns how lines get into files and out of them. A line is one write to a file that only
grows, so a writer that is killed leaves whole lines, but perhaps the last one. Must
never judge what the lines say: that is the checker's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from tests.chaos.campaign.records import (
    Act,
    EffectLine,
    Fault,
    FaultLine,
    Op,
    OpLine,
)

Line = TypeVar("Line", OpLine, EffectLine, FaultLine)


class Journal:
    """A file of lines; any number of threads may write.

    Args:
        folder: of the episode.
        name: of the file, without its suffix: ``ops-<writer>``, ``effects-<pid>`` or
            ``faults``; one process writes it.
        always: fields that every line has.
    """

    def __init__(self, folder: Path, name: str, **always: object) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(folder / f"{name}.jsonl", flags, 0o644)
        self._always = always

    def write(self, **fields: object) -> float:
        """Add a line, with the time as ``t``; returns that time."""
        now = time.monotonic()
        line = msgspec.json.encode({"t": now, **self._always, **fields}) + b"\n"
        os.write(self._file, line)
        return now

    def close(self) -> None:
        os.close(self._file)


@dataclass(frozen=True)
class History:
    """All that was done to the system, and all that it did outside Redis.

    Attributes:
        ops: in the order in which they began.
        acts: tries of actions, in the order in which they began.
        runs: lines of workflows' own code, in order.
        faults: in order.
        folder: where it was read.
    """

    ops: tuple[Op, ...] = ()
    acts: tuple[Act, ...] = ()
    runs: tuple[EffectLine, ...] = ()
    faults: tuple[Fault, ...] = ()
    folder: Path | None = field(default=None, compare=False)

    @classmethod
    def load(cls, folder: Path) -> History:
        """Read the files of an episode, once all who write them are gone."""
        ops, acts, runs, faults = [], [], [], []
        for path in sorted(folder.glob("ops-*.jsonl")):
            ops += list(operations(path.stem, lines(path, OpLine)))
        for path in sorted(folder.glob("effects-*.jsonl")):
            found = list(lines(path, EffectLine))
            acts += tries(found)
            runs += [line for line in found if line.phase == "run"]
        for path in sorted(folder.glob("faults*.jsonl")):
            faults += strikes(lines(path, FaultLine))
        return cls(
            tuple(sorted(ops, key=lambda op: op.begun)),
            tuple(sorted(acts, key=lambda act: act.begin.t)),
            tuple(sorted(runs, key=lambda run: run.t)),
            tuple(sorted(faults, key=lambda fault: fault.struck)),
            folder,
        )


def lines(path: Path, kind: type[Line]) -> Iterator[Line]:
    """Decode a file; a last line without its end was torn when its writer died.

    Raises:
        ValueError: a line is not of this kind.
    """
    decoder = msgspec.json.Decoder(kind)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError as error:
                message = f"{path.name}, line {number}: {error}"
                raise ValueError(message) from error


def operations(writer: str, found: Iterable[OpLine]) -> Iterator[Op]:
    """Put the lines of each operation together."""
    by_number: dict[int, list[OpLine]] = {}
    last = 0.0
    for line in found:
        by_number.setdefault(line.op, []).append(line)
        last = line.t
    for number, own in by_number.items():
        first = own[0]
        ends = [line for line in own if line.phase != "invoke"]
        confirmed = next((line.t for line in ends if line.phase == "ok"), None)
        tries = sum(line.phase == "invoke" for line in own)
        # What failed for sure once may have happened at a try whose outcome is unknown.
        surely_not = len(ends) == tries and all(line.phase == "fail" for line in ends)
        yield Op(
            number=f"{writer}:{number}",
            what=first.what,
            outcome="ok" if confirmed else "fail" if surely_not else "unknown",
            begun=first.t,
            ended=ends[-1].t if len(ends) == tries else last,
            confirmed=confirmed,
            events=first.events,
            id=first.id,
            error=ends[-1].error if ends else "",
        )


def tries(found: Iterable[EffectLine]) -> list[Act]:
    """Put begin and end of each try together; the lines are those of one process."""
    acts: list[Act] = []
    under_way: dict[tuple[str, str, int], int] = {}
    for line in found:
        which = (line.execution, line.says, line.attempt)
        if line.phase == "begin":
            under_way[which] = len(acts)
            acts.append(Act(line))
        elif line.phase != "run":
            place = under_way.pop(which)
            acts[place] = Act(acts[place].begin, line.t, line.phase == "fail")
    return acts


def strikes(found: Iterable[FaultLine]) -> list[Fault]:
    """Put strike and heal together, by number and name."""
    struck: dict[tuple[int, str], FaultLine] = {}
    healed: dict[tuple[int, str], FaultLine] = {}
    for line in found:
        (struck if line.phase == "strike" else healed)[line.number, line.fault] = line
    faults = []
    for which, line in struck.items():
        end = healed.get(which)
        since = line.since if end is None or end.since is None else end.since
        faults.append(
            Fault(
                line.fault,
                line.number,
                line.t,
                end.t if end else float("inf"),
                line.pids + (end.pids if end else ()),
                line.instance,
                since,
                line.detail,
            )
        )
    return faults
