"""Sessions and passwords."""

from __future__ import annotations

import asyncio

import pytest

from hearth import ids
from hearth.domain.account import Account
from hearth.domain.session import Session, SessionKind
from hearth.errors import Conflict
from hearth.store.base import Store

NOW = 1_800_000_000.0


def session(account: Account, **fields: object) -> Session:
    defaults = {
        "hash": ids.random32(),
        "account_id": account.id,
        "kind": SessionKind.BROWSER,
        "created_at": NOW,
        "expires_at": NOW + 60,
        "about": "Firefox on Linux",
    }
    return Session(**{**defaults, **fields})


@pytest.fixture
async def account(store: Store, make) -> Account:
    account = make.account()
    await store.accounts.create(account)
    return account


async def test_a_session_leads_to_its_account(store: Store, account: Account):
    made = session(account)
    await store.sessions.add(made)
    assert await store.sessions.get(made.hash) == (made, account)
    assert await store.sessions.get("another") is None


async def test_a_session_needs_an_account(store: Store, make):
    with pytest.raises(Conflict):
        await store.sessions.add(session(make.account()))


async def test_whoever_ends_a_session_gets_it_once(store: Store, account: Account):
    link = session(account, kind=SessionKind.LINK)
    await store.sessions.add(link)
    results = await asyncio.gather(*[store.sessions.end(link.hash) for _ in range(8)])
    assert sorted(results, key=lambda result: result is None) == [link, *[None] * 7]
    assert await store.sessions.get(link.hash) is None


async def test_what_is_over_is_forgotten_when_the_next_one_comes(store: Store, account: Account):
    old, later = session(account, expires_at=NOW - 1), session(account, created_at=NOW)
    await store.sessions.add(old)
    assert await store.sessions.get(old.hash) is not None
    await store.sessions.add(later)
    assert await store.sessions.get(old.hash) is None


async def test_an_account_sees_its_own_of_one_kind_newest_first(store: Store, account: Account, make):
    other = make.account()
    await store.accounts.create(other)
    first, second = session(account), session(account, created_at=NOW + 1)
    for one in (second, first, session(other), session(account, kind=SessionKind.LINK)):
        await store.sessions.add(one)
    assert await store.sessions.of_account(account.id, SessionKind.BROWSER) == [second, first]


async def test_everything_of_an_account_ends_but_what_is_kept(store: Store, account: Account, make):
    other = make.account()
    await store.accounts.create(other)
    kept, gone, link, theirs = session(account), session(account), session(account, kind=SessionKind.LINK), None
    theirs = session(other)
    for one in (kept, gone, link, theirs):
        await store.sessions.add(one)
    assert await store.sessions.end_all(account.id, kept.hash) == 2
    assert [await store.sessions.get(s.hash) is None for s in (kept, gone, link, theirs)] == [False, True, True, False]
    assert await store.sessions.end_all(account.id) == 1


async def test_a_password_is_set_changed_and_taken_away(store: Store, account: Account):
    assert await store.sessions.password("nobody") is None
    assert await store.sessions.password(account.username) == (account, None)
    for hash in ("one", "two"):
        await store.sessions.set_password(account.id, hash, NOW)
        assert await store.sessions.password(account.username) == (account, hash)
    await store.sessions.set_password(account.id, None, NOW)
    assert await store.sessions.password(account.username) == (account, None)
    with pytest.raises(Conflict):
        await store.sessions.set_password("no such account", "one", NOW)


async def test_sessions_end_with_the_token_that_began_them(store: Store, account: Account, make):
    token, other = make.token(account), make.token(account, name="other")
    for one in (token, other):
        await store.accounts.add_token(one)
    mine, theirs, free = session(account, token=token.hash), session(account, token=other.hash), session(account)
    for one in (mine, theirs, free):
        await store.sessions.add(one)
    assert await store.accounts.disable_token(account.id, token.name, NOW)
    assert [await store.sessions.get(s.hash) is None for s in (mine, theirs, free)] == [True, False, False]
    assert (await store.sessions.get(theirs.hash))[0] == theirs
