"""Models and versions as callers may see them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hearth import ids
from hearth.bus.base import VersionDeleted
from hearth.domain.account import Account
from hearth.domain.catalog import DocPage
from hearth.domain.model import Visibility
from hearth.domain.prediction import Phase, Prediction
from hearth.errors import Conflict, InvalidRequest, InvalidVersion, NotFound
from hearth.service.models import Models
from hearth.store.base import Change

GOOD: dict[str, Any] = {"owner": "ann", "name": "m", "visibility": "private", "hardware": "cpu"}


async def test_a_model_is_made(hearth: Any, ann: Account) -> None:
    made = await hearth.models.create(ann, **GOOD, description="d", github_url="https://h/x")
    assert (made.full_name, made.visibility, made.description) == ("ann/m", Visibility.PRIVATE, "d")
    assert await hearth.models.get(ann, "ann", "m") == made


async def test_a_taken_name_is_a_conflict(hearth: Any, ann: Account) -> None:
    await hearth.models.create(ann, **GOOD)
    with pytest.raises(Conflict, match="A model with that name and owner already exists"):
        await hearth.models.create(ann, **GOOD)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"owner": "bob"}, "/owner"),
        ({"name": "No"}, "/name"),
        ({"name": "a/b"}, "/name"),
        ({"name": "latest:1"}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "m\n"}, "/name"),
        ({"name": "a" * 201}, "/name"),
        ({"visibility": "hidden"}, "/visibility"),
        ({"hardware": " "}, "/hardware"),
        ({"paper_url": "javascript:alert(1)"}, "/paper_url"),
        ({"cover_image_url": "http://[x"}, "/cover_image_url"),
        ({"description": "x" * 10_001}, "/description"),
    ],
)
async def test_wrong_fields_are_pointed_at(hearth: Any, ann: Account, change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await hearth.models.create(ann, **{**GOOD, **change})
    assert [error.pointer for error in caught.value.errors] == [pointer]


async def test_private_models_do_not_exist_for_others(hearth: Any, ann: Account, bob: Account) -> None:
    _, version = await hearth.version(ann, "m")
    with pytest.raises(NotFound):
        await hearth.models.get(bob, "ann", "m")
    with pytest.raises(NotFound):
        await hearth.models.versions(bob, "ann", "m")
    with pytest.raises(NotFound):
        await hearth.models.version(bob, "ann", "m", version.id)
    assert (await hearth.models.mine(bob)).items == []


async def test_lists(hearth: Any, ann: Account, bob: Account) -> None:
    await hearth.version(ann, "shown", public=True)
    await hearth.version(ann, "private")
    await hearth.models.create(ann, **{**GOOD, "name": "empty", "visibility": "public"})
    assert [m.name for m in (await hearth.models.page()).items] == []
    await example(hearth, ann, "shown")
    await example(hearth, ann, "private")
    assert [m.name for m in (await hearth.models.page()).items] == ["shown"]
    assert {m.name for m in (await hearth.models.mine(ann)).items} == {"shown", "private", "empty"}


async def test_versions_by_id_and_latest(hearth: Any, ann: Account) -> None:
    _, old = await hearth.version(ann, "m")
    model, new = await hearth.version(ann, "m")
    _, other = await hearth.version(ann, "other")
    assert [v.id for v in (await hearth.models.versions(ann, "ann", "m")).items] == [new.id, old.id]
    assert await hearth.models.version(ann, "ann", "m", "latest") == new
    assert await hearth.models.version(ann, "ann", "m", old.id) == old
    assert await hearth.models.latest(model) == new
    for id in (other.id, "x", "0" * 64):
        with pytest.raises(NotFound):
            await hearth.models.version(ann, "ann", "m", id)


async def test_a_model_without_versions_has_no_latest(hearth: Any, ann: Account) -> None:
    made = await hearth.models.create(ann, **GOOD)
    assert await hearth.models.latest(made) is None
    with pytest.raises(NotFound):
        await hearth.models.version(ann, "ann", "m", "latest")


async def ended(hearth: Any, engine: Any, caller: Account, model: str, output: Any = "out", **fields: Any) -> Any:
    """A prediction that has succeeded."""
    prediction = await hearth.predictions.create(
        caller, version=model, input={"prompt": "x"}, origin="https://x", **fields
    )
    engine.take(prediction)
    return await engine.finish(prediction.id, output)


async def example(hearth: Any, caller: Account, name: str) -> Any:
    """An example of the caller's model, by way of the store."""
    model = await hearth.store.models.get(caller.username, name)
    prediction = Prediction(
        id=ids.sortable(),
        account_id=caller.id,
        model=model.full_name,
        version=model.latest_version_id,
        input={"prompt": "x"},
        created_at=hearth.clock.now(),
    )
    await hearth.store.predictions.create(prediction, [])
    done = msgspec.structs.replace(prediction, phase=Phase.SUCCEEDED, output="out", completed_at=hearth.clock.now())
    await hearth.store.predictions.record(Change(prediction=done))
    return await hearth.examples.add(caller, caller.username, name, prediction.id)


async def test_hardware_is_chosen_from_what_there_is(hearth: Any, ann: Account) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await hearth.models.create(ann, **{**GOOD, "hardware": "gpu-t4"})
    expected = "hardware: gpu-t4 is not a valid hardware SKU. Your options are: cpu, cpu-small"
    assert caught.value.errors == (("/hardware", expected),)


async def test_an_account_has_so_many_models_and_no_more(hearth: Any, ann: Account, bob: Account) -> None:
    few = Models(
        store=hearth.store,
        blobs=hearth.blobs,
        bus=hearth.bus,
        versions=hearth.resolver,
        clock=hearth.clock,
        max_models=2,
    )
    for name in ("a", "b"):
        await few.create(ann, **{**GOOD, "name": name})
    with pytest.raises(Conflict, match="2 models already"):
        await few.create(ann, **{**GOOD, "name": "c"})
    await few.create(bob, **{**GOOD, "owner": "bob"})


async def test_a_model_is_updated_by_its_owner(hearth: Any, ann: Account, bob: Account) -> None:
    await hearth.models.create(ann, **{**GOOD, "visibility": "public", "description": "old"})
    changed = await hearth.models.update(ann, "ann", "m", {"description": None, "readme": "# R", "weights_url": ""})
    assert (changed.description, changed.readme, changed.weights_url) == (None, "# R", None)
    assert await hearth.models.update(ann, "ann", "m", {}) == changed
    assert await hearth.models.readme(bob, "ann", "m") == "# R"
    with pytest.raises(NotFound):
        await hearth.models.update(bob, "ann", "m", {"readme": "x"})
    with pytest.raises(InvalidRequest) as caught:
        await hearth.models.update(ann, "ann", "m", {"github_url": "ftp://x", "readme": "x" * 600_000})
    assert [e.pointer for e in caught.value.errors] == ["/github_url", "/readme"]
    await hearth.models.update(ann, "ann", "m", {"readme": None})
    with pytest.raises(NotFound):
        await hearth.models.readme(ann, "ann", "m")


async def test_a_model_is_deleted_by_the_rules(hearth: Any, ann: Account, bob: Account) -> None:
    await hearth.models.create(ann, **{**GOOD, "visibility": "public"})
    with pytest.raises(Conflict, match="public"):
        await hearth.models.delete(ann, "ann", "m")
    with pytest.raises(NotFound):
        await hearth.models.delete(bob, "ann", "m")
    _, version = await hearth.version(ann, "used")
    with pytest.raises(Conflict, match="versions"):
        await hearth.models.delete(ann, "ann", "used")
    await hearth.models.delete_version(ann, "ann", "used", version.id)
    await hearth.models.delete(ann, "ann", "used")
    with pytest.raises(NotFound):
        await hearth.models.get(ann, "ann", "used")


async def test_a_version_is_deleted_by_the_rules(hearth: Any, engine: Any, ann: Account, bob: Account) -> None:
    _, public = await hearth.version(ann, "open", public=True)
    with pytest.raises(Conflict, match="public"):
        await hearth.models.delete_version(ann, "ann", "open", public.id)
    model, old = await hearth.version(ann, "m")
    _, new = await hearth.version(ann, "m")
    with pytest.raises(NotFound):
        await hearth.models.delete_version(bob, "ann", "m", new.id)
    await hearth.models.delete_version(ann, "ann", "m", new.id)
    assert (await engine.heard(VersionDeleted)).version_id == new.id
    assert (await hearth.models.version(ann, "ann", "m", "latest")).id == old.id
    with pytest.raises(NotFound):
        await hearth.models.version(ann, "ann", "m", new.id)
    with pytest.raises(InvalidVersion):
        await hearth.predictions.create(ann, version=new.id, input={"prompt": "x"}, origin="https://x")
    await hearth.store.models.update(model.id, {"visibility": "public"})
    hearth.models.changed(model)
    await ended(hearth, engine, bob, f"ann/m:{old.id}")
    await hearth.store.models.update(model.id, {"visibility": "private"})
    with pytest.raises(Conflict, match="Someone else"):
        await hearth.models.delete_version(ann, "ann", "m", old.id)


async def test_an_example_is_for_everybody_and_its_webhook_is_not(
    hearth: Any, engine: Any, ann: Account, bob: Account
) -> None:
    await hearth.version(ann, "m", public=True)
    shown = await ended(hearth, engine, ann, "ann/m", webhook="https://ann.example/hook")
    with pytest.raises(NotFound):
        await hearth.predictions.get(bob, shown.id)
    await hearth.examples.add(ann, "ann", "m", shown.id)
    found = await hearth.predictions.get(bob, shown.id)
    assert (found.id, found.output, found.webhook) == (shown.id, "out", None)
    assert (await hearth.predictions.get(ann, shown.id)).webhook is not None
    assert [p.webhook for p in (await hearth.examples.page(bob, "ann", "m")).items] == [None]
    with pytest.raises(NotFound):
        await hearth.predictions.deliveries(bob, shown.id)
    (embedded,) = await hearth.models.embed([await hearth.models.get(bob, "ann", "m")])
    assert (embedded.example.id, embedded.example.webhook) == (shown.id, None)
    await hearth.examples.remove(ann, "ann", "m", shown.id)
    with pytest.raises(NotFound):
        await hearth.predictions.get(bob, shown.id)
    with pytest.raises(NotFound):
        await hearth.examples.remove(ann, "ann", "m", shown.id)


async def test_what_cannot_be_an_example_says_why(hearth: Any, engine: Any, ann: Account, bob: Account) -> None:
    await hearth.version(ann, "m", public=True)
    await hearth.version(ann, "other")
    theirs = await ended(hearth, engine, bob, "ann/m")
    elsewhere = await ended(hearth, engine, ann, "ann/other")
    waiting = await hearth.predictions.create(ann, version="ann/m", input={"prompt": "x"}, origin="https://x")
    for id, why in (
        (theirs.id, "no such prediction of yours"),
        ("nothing", "no such prediction of yours"),
        (elsewhere.id, "not a prediction of ann/m"),
        (waiting.id, "have succeeded"),
    ):
        with pytest.raises(InvalidRequest, match=why):
            await hearth.examples.add(ann, "ann", "m", id)
    with pytest.raises(NotFound):
        await hearth.examples.add(bob, "ann", "m", theirs.id)


async def test_a_page_of_models_is_embedded_in_two_reads(hearth: Any, ann: Account, monkeypatch: Any) -> None:
    for n in range(4):
        await hearth.version(ann, f"m{n}", public=True)
        await example(hearth, ann, f"m{n}")
    hearth.resolver._versions.clear()
    reads: list[str] = []
    for noun in ("versions", "predictions"):
        store = getattr(hearth.store, noun)
        many = store.many

        async def counted(ids: Any, noun: str = noun, many: Any = many) -> Any:
            reads.append(noun)
            return await many(ids)

        async def single(id: str) -> Any:
            raise AssertionError("one by one")

        monkeypatch.setattr(store, "many", counted)
        monkeypatch.setattr(store, "get", single)
    shown = await hearth.models.embed((await hearth.models.page()).items)
    assert sorted(reads) == ["predictions", "versions"]
    assert all(s.latest is not None and s.example is not None for s in shown)


async def test_search_finds_models_collections_and_pages(hearth: Any, ann: Account, bob: Account) -> None:
    await hearth.version(ann, "whisper", public=True)
    await hearth.version(ann, "whisper-secret")
    await hearth.collections.create("speech", name="Speech", description="Whisper and others", full_description=None)
    for name in ("whisper", "whisper-secret"):
        await hearth.collections.add("speech", f"ann/{name}")
    await hearth.store.search.set_pages([DocPage("/docs/a", "Whispering", "")])
    found = await hearth.search.everything(bob, "whisper")
    assert [s.model.name for s, _ in found.models] == ["whisper"]
    assert [(c.slug, names) for c, names in found.collections] == [("speech", ["ann/whisper"])]
    assert [p.key for p in found.pages] == ["/docs/a"]
    assert len((await hearth.search.everything(ann, "whisper")).models) == 2
    assert len((await hearth.search.everything(ann, "whisper", limit=1)).models) == 1


async def test_collections_are_checked_and_show_what_the_caller_may_see(
    hearth: Any, ann: Account, bob: Account
) -> None:
    await hearth.version(ann, "m")
    with pytest.raises(InvalidRequest) as caught:
        await hearth.collections.create("Bad Slug", name=" ", description="x" * 20_000, full_description=None)
    assert [e.pointer for e in caught.value.errors] == ["/description", "/name", "/slug"]
    await hearth.collections.create("c", name="C", description="", full_description=None)
    await hearth.collections.add("c", "ann/m")
    assert [s.model.name for s in (await hearth.collections.get(ann, "c"))[1]] == ["m"]
    assert (await hearth.collections.get(bob, "c"))[1] == []
    assert (await hearth.collections.update("c", {"name": "D"})).name == "D"
    with pytest.raises(InvalidRequest):
        await hearth.collections.add("c", "ann/nothing")
    await hearth.collections.remove("c", "ann", "m")
    await hearth.collections.delete("c")
    for work in (
        hearth.collections.get(ann, "c"),
        hearth.collections.delete("c"),
        hearth.collections.update("c", {}),
        hearth.collections.add("c", "ann/m"),
        hearth.collections.remove("c", "ann", "m"),
    ):
        with pytest.raises(NotFound):
            await work
