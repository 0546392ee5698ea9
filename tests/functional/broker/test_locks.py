"""Locks by name, as the scripts keep them, on every kind of server."""

from __future__ import annotations

import pytest

from tests.functional.broker.conftest import PARTITION, Database, Hand
from tests.servers import wait_until
from workflow_worker.broker import locking
from workflow_worker.broker.locking import Asked, Claim
from workflow_worker.errors import Rejected

pytestmark = pytest.mark.usefixtures("books")
KEY = "{t:0}:lock:door"
FENCE = "{t:0}:fence"


def claim(owner: str, name: str = "door", ttl_ms: int = 60_000) -> Claim:
    return Claim(name, owner, ttl_ms)


def ask(hand: Hand, owner: str, **how: int) -> Asked:
    return locking.acquire(hand.link, PARTITION, claim(owner, **how))


def take(hand: Hand, owner: str, **how: int) -> int:
    """Take it now; its token."""
    asked = ask(hand, owner, **how)
    assert asked.token > 0
    return asked.token


def keep(hand: Hand, *claims: Claim) -> list[bool]:
    return locking.keep(hand.link, PARTITION, claims)


def let_go(hand: Hand, owner: str) -> bool:
    return locking.release(hand.link, PARTITION, claim(owner))


def test_one_owner_holds_a_lock_at_a_time(base: Database) -> None:
    hand = base.hand()
    take(hand, "a")
    assert ask(hand, "b").token == 0
    assert let_go(hand, "a")
    take(hand, "b")
    assert ask(hand, "a").token == 0


def test_whoever_has_to_wait_is_told_how_long_at_most(base: Database) -> None:
    hand = base.hand()
    take(hand, "a", ttl_ms=60_000)
    assert 0 < ask(hand, "b").free_in_ms <= 60_000
    assert base.client.get(FENCE) == base.client.get(KEY).split(b":")[1]


def test_locks_of_other_names_are_other_locks(base: Database) -> None:
    hand = base.hand()
    one, other = claim("a", "front:door"), claim("b", "front")
    assert locking.acquire(hand.link, PARTITION, one).token
    assert locking.acquire(hand.link, PARTITION, other).token


def test_an_owner_that_asks_again_gets_the_same_token(base: Database) -> None:
    hand = base.hand()
    token = take(hand, "a", ttl_ms=1000)
    assert take(hand, "a") == token
    assert base.client.pttl(KEY) > 1000


def test_tokens_only_grow(base: Database) -> None:
    hand, tokens = base.hand(), []
    for owner in "abcdefgh":
        tokens.append(take(hand, owner))
        assert let_go(hand, owner)
    tokens.append(take(hand, "x", ttl_ms=1))
    tokens.append(wait_until(lambda: ask(hand, "y").token))
    assert tokens == sorted(set(tokens))


def test_tokens_grow_over_writes_that_the_server_lost(base: Database) -> None:
    hand = base.hand()
    before = take(hand, "a")
    base.client.delete(KEY, FENCE)
    after = take(hand, "b")
    assert after > before
    base.client.delete(KEY)
    base.client.set(FENCE, before)
    assert take(hand, "c") > after


def test_tokens_grow_on_a_server_whose_clock_was_set_back(base: Database) -> None:
    hand = base.hand()
    seconds, _ = base.client.time()
    ahead = (seconds + 86_400) * 1_000_000
    base.client.set(FENCE, ahead)
    assert take(hand, "a") == ahead + 1
    let_go(hand, "a")
    assert take(hand, "b") == ahead + 2


def test_tokens_are_exact(base: Database) -> None:
    hand, large = base.hand(), 2**53 - 8
    base.client.set(FENCE, large)
    for owner, more in (("a", 1), ("b", 2), ("c", 3)):
        assert take(hand, owner) == large + more
        assert base.client.get(KEY) == f"{owner}:{large + more}".encode()
        let_go(hand, owner)


def test_a_token_is_used_only_for_a_lock_that_is_taken(base: Database) -> None:
    hand = base.hand()
    token = take(hand, "a")
    ask(hand, "b")
    assert base.client.get(FENCE) == str(token).encode()


def test_nobody_but_its_owner_lets_go_of_a_lock(base: Database) -> None:
    hand = base.hand()
    take(hand, "a")
    before = base.client.get(KEY)
    assert not let_go(hand, "b")
    assert base.client.get(KEY) == before
    assert let_go(hand, "a")
    assert not let_go(hand, "a")


def test_nobody_but_its_owner_keeps_a_lock(base: Database) -> None:
    hand = base.hand()
    take(hand, "a", ttl_ms=5000)
    assert keep(hand, claim("b")) == [False]
    assert base.client.pttl(KEY) <= 5000
    assert keep(hand, claim("a")) == [True]
    assert base.client.pttl(KEY) > 5000


def test_a_lock_that_ran_out_is_not_taken_anew_by_keeping_it(base: Database) -> None:
    hand = base.hand()
    take(hand, "a", ttl_ms=1)
    wait_until(lambda: not base.client.exists(KEY))
    assert keep(hand, claim("a")) == [False]
    assert not base.client.exists(KEY)


def test_of_many_locks_each_is_kept_or_lost_by_itself(base: Database) -> None:
    hand = base.hand()
    mine, other, none = (claim("a", name) for name in ("mine", "other", "none"))
    locking.acquire(hand.link, PARTITION, mine)
    locking.acquire(hand.link, PARTITION, claim("b", "other"))
    assert keep(hand, other, mine, none) == [False, True, False]


def test_no_lock_is_without_an_end(base: Database) -> None:
    hand = base.hand()
    for step in (
        lambda: take(hand, "a"),
        lambda: take(hand, "a"),
        lambda: keep(hand, claim("a")),
    ):
        step()
        assert 0 < base.client.pttl(KEY) <= 60_000


def test_a_server_that_forgot_the_scripts_goes_on(base: Database) -> None:
    hand = base.hand()
    base.client.script_flush()
    token = take(hand, "a")
    base.client.script_flush()
    assert keep(hand, claim("a")) == [True]
    assert take(hand, "a") == token
    base.client.script_flush()
    assert let_go(hand, "a")


def test_on_a_full_server_locks_are_kept_and_let_go(base: Database) -> None:
    hand = base.hand()
    take(hand, "a")
    base.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(Rejected):
            locking.acquire(hand.link, PARTITION, claim("a", "other"))
        assert keep(hand, claim("a")) == [True]
        assert let_go(hand, "a")
    finally:
        base.client.config_set("maxmemory", 0)
    take(hand, "b")
