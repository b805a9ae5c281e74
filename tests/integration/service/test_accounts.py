"""Accounts, tokens and webhook secrets."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from hearth.domain.account import Account
from hearth.errors import Conflict, InvalidRequest, NotFound, Unauthenticated
from hearth.service.accounts import Accounts
from hearth.testing.clock import FakeClock


async def test_the_first_account_gets_a_token_once(hearth: Any) -> None:
    account, token = await hearth.accounts.bootstrap("admin", None)
    assert account.admin
    assert re.fullmatch(r"r8_[A-Za-z0-9]{37}", token)
    assert await hearth.accounts.authenticate(token) == account
    assert await hearth.accounts.bootstrap("admin", None) == (account, None)


async def test_a_token_given_on_a_later_start_works_beside_the_first(hearth: Any) -> None:
    account, first = await hearth.accounts.bootstrap("admin", None)
    assert await hearth.accounts.bootstrap("admin", "another") == (account, None)
    assert await hearth.accounts.authenticate("another") == account
    assert await hearth.accounts.authenticate(first) == account
    name = next(t.name for t in await hearth.accounts.tokens(account) if t.name.startswith("bootstrap"))
    await hearth.accounts.disable_token(account, name)
    assert await hearth.accounts.bootstrap("admin", "another") == (account, None)
    with pytest.raises(Unauthenticated):
        await hearth.accounts.authenticate("another")


async def test_any_token_may_be_given(hearth: Any) -> None:
    account, token = await hearth.accounts.bootstrap("admin", "ключ with blanks")
    assert token == "ключ with blanks"
    assert await hearth.accounts.authenticate("ключ with blanks") == account


async def test_a_start_that_was_cut_short_is_completed(hearth: Any, root: Account, ann: Account) -> None:
    account, token = await hearth.accounts.bootstrap("ann", "t")
    assert (account, token) == (ann, "t")


async def test_tokens_are_stored_hashed(hearth: Any, ann: Account) -> None:
    token = await hearth.accounts.new_token(ann, "ci")
    (stored,) = await hearth.accounts.tokens(ann)
    assert (stored.name, stored.hint) == ("ci", token[-4:])
    assert token not in repr(stored)


async def test_a_disabled_token_is_refused_at_once(hearth: Any, ann: Account) -> None:
    token = await hearth.accounts.new_token(ann, "ci")
    assert await hearth.accounts.authenticate(token) == ann
    with pytest.raises(Conflict):
        await hearth.accounts.new_token(ann, "ci")
    await hearth.accounts.disable_token(ann, "ci")
    with pytest.raises(Unauthenticated):
        await hearth.accounts.authenticate(token)
    with pytest.raises(NotFound):
        await hearth.accounts.disable_token(ann, "ci")
    renewed = await hearth.accounts.new_token(ann, "ci")
    assert await hearth.accounts.authenticate(renewed) == ann


async def test_a_token_disabled_by_another_process_is_refused_within_the_ttl(hearth: Any, ann: Account) -> None:
    clock = FakeClock()
    here = Accounts(store=hearth.store, sealer=hearth.sealer, clock=clock, ttl=2.0)
    token = await hearth.accounts.new_token(ann, "ci")
    await here.authenticate(token)
    await hearth.accounts.disable_token(ann, "ci")
    await clock.advance(2.1)
    with pytest.raises(Unauthenticated):
        await here.authenticate(token)


@pytest.mark.parametrize("token", ["", "r8_x", "\udcff"])
async def test_unknown_tokens_are_refused(hearth: Any, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await hearth.accounts.authenticate(token)


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\nb", "x" * 101])
async def test_token_names_are_checked(hearth: Any, ann: Account, name: str) -> None:
    with pytest.raises(InvalidRequest):
        await hearth.accounts.new_token(ann, name)


async def test_others_tokens_are_out_of_reach(hearth: Any, ann: Account, bob: Account) -> None:
    await hearth.accounts.new_token(ann, "ci")
    with pytest.raises(NotFound):
        await hearth.accounts.disable_token(bob, "ci")
    assert await hearth.accounts.tokens(bob) == []


async def test_only_admins_make_accounts(hearth: Any, root: Account, ann: Account) -> None:
    with pytest.raises(NotFound):
        await hearth.accounts.create(ann, "eve")
    with pytest.raises(InvalidRequest):
        await hearth.accounts.create(root, "Eve!")
    with pytest.raises(Conflict):
        await hearth.accounts.create(root, "ann")


async def test_the_webhook_secret_is_sealed_and_splits_at_one_underscore(hearth: Any, ann: Account) -> None:
    secret = await hearth.accounts.webhook_secret(ann)
    prefix, key = secret.split("_")
    assert prefix == "whsec"
    assert len(base64.b64decode(key, validate=True)) == 24
    assert key.encode() not in ann.webhook_secret
