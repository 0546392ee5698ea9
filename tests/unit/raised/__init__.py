"""Exceptions as they are raised, one case for every default rule and some more."""

from __future__ import annotations

from tests.unit.raised.case import Case
from tests.unit.raised.clients import HTTP, REDIS
from tests.unit.raised.databases import DATABASES
from tests.unit.raised.standard import OURS, STANDARD

CASES: list[Case] = [*STANDARD, *OURS, *REDIS, *HTTP, *DATABASES]

__all__ = ["CASES", "Case"]
