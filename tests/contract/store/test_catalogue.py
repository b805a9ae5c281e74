"""Accounts, models, versions, builds and files."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from hearth.domain.account import AccountType
from hearth.domain.file import FileKind
from hearth.domain.model import BuildState, Visibility
from hearth.domain.priority import Priority
from hearth.errors import Conflict, NotFound
from hearth.store.base import Store


async def test_an_account_is_found_by_id_and_name(store: Store, make):
    account = make.account(
        username="acme",
        type=AccountType.ORGANIZATION,
        name="Acme",
        admin=True,
        github_url="https://github.com/acme",
        avatar_url="https://example.com/a.png",
        webhook_secret=b"\x00sealed",
    )
    assert await store.accounts.count() == 0
    await store.accounts.create(account)
    assert await store.accounts.count() == 1
    assert await store.accounts.get(account.id) == account
    assert await store.accounts.by_username("acme") == account
    assert await store.accounts.get("nobody") is None
    assert await store.accounts.by_username("nobody") is None


async def test_a_username_is_taken_once(store: Store, make):
    await store.accounts.create(make.account(username="acme"))
    with pytest.raises(Conflict, match="acme"):
        await store.accounts.create(make.account(username="acme"))
    assert await store.accounts.count() == 1


async def test_a_token_leads_to_its_account_until_it_is_disabled(store: Store, make):
    account, other = make.account(), make.account()
    await store.accounts.create(account)
    await store.accounts.create(other)
    first, second = make.token(account, hint="abcd"), make.token(account, name="server")
    await store.accounts.add_token(first)
    await store.accounts.add_token(second)
    assert await store.accounts.by_token(first.hash) == account
    assert await store.accounts.by_token("unknown") is None
    assert await store.accounts.tokens(account.id) == [second, first]
    assert await store.accounts.tokens(other.id) == []
    assert await store.accounts.disable_token(other.id, "laptop", 5.0) is False
    assert await store.accounts.disable_token(account.id, "laptop", 5.0) is True
    assert await store.accounts.disable_token(account.id, "laptop", 6.0) is False
    assert await store.accounts.by_token(first.hash) is None
    assert await store.accounts.by_token(second.hash) == account
    assert await store.accounts.tokens(account.id) == [second, msgspec.structs.replace(first, disabled_at=5.0)]


async def test_an_account_has_the_ceiling_of_the_token_it_came_with(store: Store, make):
    account = make.account()
    await store.accounts.create(account)
    token = make.token(account, priority=Priority.BATCH)
    await store.accounts.add_token(token)
    found = await store.accounts.by_token(token.hash)
    assert found == msgspec.structs.replace(account, ceiling=Priority.BATCH)
    assert await store.accounts.tokens(account.id) == [token]
    assert await store.accounts.get(account.id) == account


async def test_a_token_needs_its_account_and_is_stored_once(store: Store, make):
    account = make.account()
    with pytest.raises(Conflict):
        await store.accounts.add_token(make.token(account))
    await store.accounts.create(account)
    token = make.token(account)
    await store.accounts.add_token(token)
    with pytest.raises(Conflict):
        await store.accounts.add_token(token)


async def test_a_model_comes_back_as_it_went_in(store: Store, make):
    model = make.model(
        owner="acme",
        name="hello",
        visibility=Visibility.PUBLIC,
        hardware="gpu",
        description="d\u00e9",
        readme="# r",
        github_url="https://g",
        paper_url="https://p",
        weights_url="https://w",
        license_url="https://l",
        cover_image_url="https://c",
        run_count=12,
        latest_version_id="v",
        latest_version_at=2.5,
        default_example_id="p",
        priority=-3,
    )
    await store.models.create(model)
    assert await store.models.get("acme", "hello") == model
    assert await store.models.get("acme", "other") is None


async def test_a_name_is_taken_once_per_owner(store: Store, make):
    await store.models.create(make.model(owner="acme", name="hello"))
    await store.models.create(make.model(owner="other", name="hello"))
    with pytest.raises(Conflict, match="acme/hello"):
        await store.models.create(make.model(owner="acme", name="hello", run_count=99))
    found = await store.models.get("acme", "hello")
    assert found is not None
    assert found.run_count == 0


async def test_named_fields_of_a_model_can_be_set(store: Store, make):
    model = make.model(name="hello", description="old", readme="kept")
    await store.models.create(model)
    fields = {"description": None, "visibility": Visibility.PUBLIC, "priority": 5}
    updated = await store.models.update(model.id, fields)
    assert updated == msgspec.structs.replace(model, **fields)
    assert await store.models.get("acme", "hello") == updated
    assert await store.models.update(model.id, {}) == updated
    assert await store.models.update("nothing", {"readme": "x"}) is None


@pytest.mark.parametrize("field", ["id", "owner", "run_count", "nonsense", "readme = '' --"])
async def test_other_fields_of_a_model_cannot(store: Store, make, field: str):
    model = make.model()
    await store.models.create(model)
    with pytest.raises(ValueError, match=field):
        await store.models.update(model.id, {"readme": "x", field: "y"})
    assert await store.models.get(model.owner, model.name) == model


async def test_a_deleted_model_takes_its_versions_and_its_count(store: Store, make):
    model = make.model(owner="acme", name="hello", run_count=7)
    await store.models.create(model)
    version = make.version(model)
    await store.versions.add(version)
    assert await store.models.delete(model.id) is True
    assert await store.models.delete(model.id) is False
    assert await store.models.get("acme", "hello") is None
    assert await store.versions.get(version.id) is None
    again = make.model(owner="acme", name="hello")
    await store.models.create(again)
    assert await store.models.get("acme", "hello") == again


async def test_models_are_listed_by_account_or_when_public(store: Store, make):
    secret, open_, other = make.model(), make.model(visibility=Visibility.PUBLIC), make.model(account_id="o", owner="o")
    shown = make.model(account_id="o", owner="o", visibility=Visibility.PUBLIC)
    for model in (secret, open_, other, shown):
        await store.models.create(model)
    assert (await store.models.page(account_id="acme")).items == [open_, secret]
    first = await store.models.page(limit=1)
    assert first.items == [shown]
    second = await store.models.page(limit=1, cursor=first.older)
    assert second.items == [open_]
    assert second.older is None
    # Gone in between: the walk goes on from its place, and back.
    await store.models.delete(open_.id)
    empty = await store.models.page(limit=1, cursor=first.older)
    assert empty.items == []
    assert empty.newer is not None
    assert (await store.models.page(limit=1, cursor=empty.newer)).items == [shown]
    await store.models.delete(shown.id)
    empty = await store.models.page(limit=1, cursor=second.newer)
    assert empty.items == []
    back = make.model(visibility=Visibility.PUBLIC, created_at=1.0)
    await store.models.create(back)
    assert (await store.models.page(limit=1, cursor=empty.older)).items == [back]


async def test_a_version_is_stored_once_and_becomes_the_latest(store: Store, make):
    model = make.model(owner="acme", name="hello")
    await store.models.create(model)
    first, second = make.version(model), make.version(model)
    assert await store.versions.add(first) is True
    assert await store.versions.add(second) is True
    assert await store.versions.get(first.id) == first
    assert await store.versions.get("nothing") is None
    found = await store.models.get("acme", "hello")
    assert found is not None
    assert (found.latest_version_id, found.latest_version_at) == (second.id, second.created_at)
    again = msgspec.structs.replace(first, created_at=second.created_at + 9)
    assert await store.versions.add(again) is False
    found = await store.models.get("acme", "hello")
    assert found is not None
    assert (found.latest_version_id, found.latest_version_at) == (first.id, again.created_at)
    assert await store.versions.get(first.id) == first
    page = await store.versions.page(model.id, limit=1)
    assert page.items == [second]
    assert (await store.versions.page(model.id, limit=1, cursor=page.older)).items == [first]


async def test_a_version_needs_its_model(store: Store, make):
    version = make.version(make.model())
    with pytest.raises(NotFound):
        await store.versions.add(version)
    assert await store.versions.get(version.id) is None


async def test_the_latest_versions_an_account_may_run(store: Store, make):
    mine, public = make.model(), make.model(account_id="o", owner="o", visibility=Visibility.PUBLIC)
    hidden, empty = make.model(account_id="o", owner="o"), make.model()
    for model in (mine, public, hidden, empty):
        await store.models.create(model)
    versions = {}
    for model in (mine, public, hidden):
        await store.versions.add(make.version(model))
        versions[model.id] = make.version(model)
        await store.versions.add(versions[model.id])
    found = await store.versions.latest_visible("acme")
    assert [(m.id, v) for m, v in found] == [(public.id, versions[public.id]), (mine.id, versions[mine.id])]
    assert [m.latest_version_id for m, _ in found] == [v.id for _, v in found]


async def test_a_build_moves_until_it_ended(store: Store, make):
    build = make.build()
    await store.builds.create(build)
    assert await store.builds.get(build.id) == build
    assert await store.builds.get("nothing") is None
    assert await store.builds.pending() == []
    assert await store.builds.move(build.id, BuildState.QUEUED, at=1.0) is True
    assert await store.builds.move(build.id, BuildState.RUNNING, at=2.0, version_id="v") is True
    moved = msgspec.structs.replace(build, state=BuildState.RUNNING, version_id="v")
    assert await store.builds.pending() == [moved]
    assert await store.builds.move(build.id, BuildState.FAILED, at=3.0, error="e", hint="h") is True
    ended = msgspec.structs.replace(moved, state=BuildState.FAILED, completed_at=3.0, error="e", hint="h")
    assert await store.builds.get(build.id) == ended
    assert await store.builds.pending() == []
    assert await store.builds.move(build.id, BuildState.SUCCEEDED, at=4.0) is False
    assert await store.builds.move("nothing", BuildState.SUCCEEDED, at=4.0) is False
    assert await store.builds.get(build.id) == ended
    with pytest.raises(Conflict):
        await store.builds.create(build)


async def test_pending_builds_come_oldest_first(store: Store, make):
    builds = [make.build(state=BuildState.QUEUED) for _ in range(3)]
    for build in builds[::-1]:
        await store.builds.create(build)
    assert await store.builds.pending() == builds


async def test_a_build_log_grows(store: Store, make):
    build, other = make.build(), make.build()
    await store.builds.create(build)
    await store.builds.create(other)
    assert await store.builds.log(build.id) == ""
    for n in range(12):
        await store.builds.append_log(build.id, f"line {n}\n")
    await store.builds.append_log(other.id, "else")
    assert await store.builds.log(build.id) == "".join(f"line {n}\n" for n in range(12))
    with pytest.raises(Conflict):
        await store.builds.append_log("nothing", "x")


async def test_a_file_comes_back_as_it_went_in(store: Store, make):
    file = make.file(size=2**40, expires_at=5.5, prediction_id="p", metadata={"a": [1]}, kind=FileKind.INPUT)
    await store.files.add(file)
    assert await store.files.get(file.id) == file
    assert await store.files.get("nothing") is None
    with pytest.raises(Conflict):
        await store.files.add(file)


async def test_uploads_are_listed_and_nothing_else(store: Store, make):
    uploads = [make.file() for _ in range(3)]
    for file in [*uploads, make.file(kind=FileKind.OUTPUT), make.file(account_id="other")]:
        await store.files.add(file)
    first = await store.files.page("acme", limit=2)
    assert first.items == [uploads[2], uploads[1]]
    assert (await store.files.page("acme", limit=2, cursor=first.older)).items == [uploads[0]]


async def test_files_expire_and_belong_to_predictions(store: Store, make):
    files = [make.file(expires_at=10.0 - n, prediction_id=f"p{n % 2}") for n in range(4)]
    for file in [*files, make.file()]:
        await store.files.add(file)
    assert await store.files.expired(6.9, 10) == []
    assert await store.files.expired(9.0, 10) == [files[3], files[2], files[1]]
    assert await store.files.expired(9.0, 2) == [files[3], files[2]]
    assert await store.files.of_predictions([]) == []
    assert await store.files.of_predictions(["p1", "p9"]) == [files[1], files[3]]
    assert await store.files.delete([files[0].id, files[1].id, "nothing"]) == 2
    assert await store.files.delete([]) == 0
    assert await store.files.get(files[0].id) is None
    assert await store.files.of_predictions(["p1"]) == [files[3]]


async def test_many_writers_share_the_store(store: Store, make):
    models = [make.model() for _ in range(50)]
    await asyncio.gather(*[store.models.create(m) for m in models])
    assert (await store.models.page(account_id="acme", limit=100)).items == models[::-1]
