"""Fail when a source file outgrew what one reader holds in mind: split it instead."""

from __future__ import annotations

import sys
from pathlib import Path

LIMIT = 400
ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    found = [
        (len(path.read_text("utf-8").splitlines()), path.relative_to(ROOT))
        for folder in ("workflow_worker", "tests", "scripts", "examples")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".lua"}
    ]
    for lines, path in sorted(found, reverse=True):
        if lines > LIMIT:
            print(f"{path}: {lines} lines, the limit is {LIMIT}")
    return int(any(lines > LIMIT for lines, _ in found))


if __name__ == "__main__":
    sys.exit(main())
