"""Signing in with a browser: sessions, links, passwords, guesses."""

from __future__ import annotations

from pathlib import Path

import pytest

from hearth.domain.account import Account
from hearth.errors import InvalidRequest, Throttled, Unauthenticated
from hearth.seal import Sealer
from hearth.service import passwords
from hearth.service.accounts import Accounts
from hearth.service.passwords import Cost
from hearth.service.sessions import LINK_LIFE, Sessions
from hearth.service.signin import PER_ADDRESS, PER_USERNAME, SignIn
from hearth.store.sqlite import SQLiteStore
from hearth.testing.clock import FakeClock

CHEAP = Cost(n=2, r=8, p=1)
GOOD = "correct horse battery"


class Door:
    def __init__(self, store: SQLiteStore) -> None:
        self.clock = FakeClock()
        self.store = store
        self.sessions = Sessions(store=store, clock=self.clock, key=b"key", life=1000.0)
        self.accounts = Accounts(
            store=store, sealer=Sealer(Sealer.new_key()), clock=self.clock, changed=self.sessions.changed
        )
        self.signin = SignIn(store=store, clock=self.clock, accounts=self.accounts, sessions=self.sessions, cost=CHEAP)


@pytest.fixture
async def door(tmp_path: Path):
    store = SQLiteStore(tmp_path / "hearth.db")
    await store.open()
    yield Door(store)
    await store.close()


@pytest.fixture
async def ada(door: Door) -> Account:
    account, _ = await door.accounts.bootstrap("ada", "r8_" + "a" * 37)
    return account


async def test_a_cookie_leads_to_its_account_until_it_is_over(door: Door, ada: Account):
    cookie = await door.sessions.start(ada, "Firefox on Linux")
    assert await door.sessions.account(cookie) == ada
    assert await door.sessions.account("another") is None
    await door.clock.advance(999)
    assert await door.sessions.account(cookie) == ada
    await door.clock.advance(1)
    assert await door.sessions.account(cookie) is None
    assert await door.sessions.of_account(ada) == []


async def test_the_store_has_no_cookie(door: Door, ada: Account):
    cookie = await door.sessions.start(ada)
    (session,) = await door.sessions.of_account(ada)
    assert cookie not in repr(session)
    assert await door.sessions.account(session.hash) is None


async def test_a_known_cookie_costs_no_query(door: Door, ada: Account, monkeypatch: pytest.MonkeyPatch):
    cookie = await door.sessions.start(ada)
    assert await door.sessions.account(cookie) == ada
    monkeypatch.delattr("hearth.store.sqlite.sessions.SQLiteSessions.get")
    assert await door.sessions.account(cookie) == ada


async def test_signing_out_counts_at_once(door: Door, ada: Account):
    cookie, other = await door.sessions.start(ada), await door.sessions.start(ada)
    assert await door.sessions.account(cookie) == ada
    await door.sessions.end(cookie)
    assert await door.sessions.account(cookie) is None
    assert await door.sessions.account(other) == ada
    await door.sessions.end(cookie)  # twice is no error


async def test_signing_out_everywhere_may_keep_one(door: Door, ada: Account):
    mine, others = await door.sessions.start(ada), [await door.sessions.start(ada) for _ in range(3)]
    for cookie in (mine, *others):
        assert await door.sessions.account(cookie) == ada
    assert await door.sessions.end_all(ada, keep=mine) == 3
    assert await door.sessions.account(mine) == ada
    assert [await door.sessions.account(cookie) for cookie in others] == [None] * 3


async def test_a_new_session_takes_the_place_of_the_one_before(door: Door, ada: Account):
    before = await door.sessions.start(ada)
    after = await door.sessions.start(ada, instead_of=before)
    assert before != after
    assert await door.sessions.account(before) is None
    await door.sessions.start(ada, instead_of="set by somebody else")
    assert await door.sessions.account("set by somebody else") is None


async def test_form_tokens_belong_to_a_session(door: Door, ada: Account):
    mine, other = await door.sessions.start(ada), await door.sessions.start(ada)
    assert door.sessions.allows(mine, door.sessions.csrf(mine))
    for wrong in (door.sessions.csrf(other), "", mine, "é", "\udcff"):
        assert not door.sessions.allows(mine, wrong)


async def test_a_link_signs_in_once(door: Door, ada: Account):
    code = (await door.sessions.link(ada)).code
    assert await door.sessions.linked(code) == ada
    assert await door.sessions.account(code) is None
    assert await door.signin.with_link(code, "::1") == ada
    with pytest.raises(Unauthenticated):
        await door.signin.with_link(code, "::1")


async def test_a_link_is_worth_nothing_after_its_time(door: Door, ada: Account):
    code = (await door.sessions.link(ada)).code
    await door.clock.advance(LINK_LIFE)
    assert await door.sessions.linked(code) is None
    with pytest.raises(Unauthenticated):
        await door.signin.with_link(code, "::1")


async def test_a_session_is_no_link(door: Door, ada: Account):
    cookie = await door.sessions.start(ada)
    assert await door.sessions.linked(cookie) is None


async def test_a_token_signs_in_and_a_disabled_one_does_not(door: Door, ada: Account):
    token = await door.accounts.new_token(ada, "browser")
    assert await door.signin.with_token(f" {token}\n", "::1") == ada
    await door.accounts.disable_token(ada, "browser")
    with pytest.raises(Unauthenticated):
        await door.signin.with_token(token, "::1")


async def test_a_password_signs_in(door: Door, ada: Account):
    assert not await door.signin.has_password(ada)
    with pytest.raises(Unauthenticated):
        await door.signin.with_password("ada", "", "::1")
    await door.signin.set_password(ada, GOOD)
    assert await door.signin.has_password(ada)
    assert await door.signin.with_password("ada", GOOD, "::1") == ada
    for username, password in (("ada", "wrong"), ("nobody", GOOD), ("ada", "x" * 5000), ("ada", "\udcff" * 12)):
        with pytest.raises(Unauthenticated, match="Username or password is wrong"):
            await door.signin.with_password(username, password, "::2")
    await door.signin.set_password(ada, None)
    with pytest.raises(Unauthenticated):
        await door.signin.with_password("ada", GOOD, "::1")


async def test_a_new_password_ends_the_other_sessions_and_links(door: Door, ada: Account):
    mine, other, link = (
        await door.sessions.start(ada),
        await door.sessions.start(ada),
        (await door.sessions.link(ada)).code,
    )
    await door.signin.set_password(ada, GOOD, keep=mine)
    assert await door.sessions.account(mine) == ada
    assert await door.sessions.account(other) is None
    assert await door.sessions.linked(link) is None


@pytest.mark.parametrize("password", ["", "short", "x" * 1001, "aaaaaaaaaaaa", "abababababab"])
async def test_poor_passwords_are_refused(door: Door, ada: Account, password: str):
    with pytest.raises(InvalidRequest, match="password"):
        await door.signin.set_password(ada, password)


async def test_the_present_password_is_asked(door: Door, ada: Account):
    await door.signin.set_password(ada, GOOD)
    await door.signin.check(ada, GOOD)
    with pytest.raises(InvalidRequest, match="present password"):
        await door.signin.check(ada, "another one")


async def test_guessing_from_one_address_is_slowed_down(door: Door, ada: Account):
    for _ in range(PER_ADDRESS):
        with pytest.raises(Unauthenticated):
            await door.signin.with_token("r8_guess", "10.0.0.9")
    for attempt in (
        door.signin.with_token("r8_" + "a" * 37, "10.0.0.9"),
        door.signin.with_password("ada", GOOD, "10.0.0.9"),
        door.signin.with_link("code", "10.0.0.9"),
    ):
        with pytest.raises(Throttled):
            await attempt
    assert await door.signin.with_token("r8_" + "a" * 37, "10.0.0.10") == ada
    await door.clock.advance(60)
    for _ in range(PER_ADDRESS + 1):  # who knows how is not counted
        assert await door.signin.with_token("r8_" + "a" * 37, "10.0.0.9") == ada


async def test_guessing_one_password_from_many_addresses_is_slowed_down(door: Door, ada: Account):
    for number in range(PER_USERNAME):
        with pytest.raises(Unauthenticated):
            await door.signin.with_password("ada", "guess", f"10.0.0.{number}")
    with pytest.raises(Throttled):
        await door.signin.with_password("ada", GOOD, "10.0.1.1")


async def test_what_an_account_became_shows_in_its_sessions(door: Door, ada: Account):
    cookie = await door.sessions.start(ada)
    assert (await door.sessions.account(cookie)).retention is None
    await door.store.accounts.update(ada.id, {"retention": 60.0})
    door.sessions.changed()
    assert (await door.sessions.account(cookie)).retention == 60.0


def test_a_password_is_kept_salted_with_its_parameters():
    one, two = passwords.make(GOOD, CHEAP), passwords.make(GOOD, CHEAP)
    assert one != two
    assert one.startswith("scrypt$2$8$1$")
    assert GOOD not in one
    assert passwords.matches(GOOD, one)
    assert not passwords.matches(GOOD + " ", one)


def test_the_parameters_in_force_are_the_recommended_ones():
    assert passwords.make(GOOD).startswith("scrypt$32768$8$3$")


async def test_a_disabled_token_takes_its_sessions_with_it_at_once(door: Door, ada: Account):
    token = await door.accounts.new_token(ada, "taken")
    taken, mine = await door.sessions.start(ada, token=token), await door.sessions.start(ada)
    assert await door.sessions.account(taken) == ada
    await door.accounts.disable_token(ada, "taken")
    assert await door.sessions.account(taken) is None
    assert await door.sessions.account(mine) == ada
