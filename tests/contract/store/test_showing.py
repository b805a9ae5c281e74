"""What the catalogue shows: lists of models, examples, collections, search; and versions on their way out."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hearth import ids
from hearth.domain.catalog import Collection, DocPage, Findable, ModelOrder
from hearth.domain.file import FileKind
from hearth.domain.model import Recipe, SourceFile, Visibility
from hearth.domain.prediction import EXAMPLE, Phase, PredictionKind
from hearth.domain.search import words
from hearth.errors import Conflict
from hearth.store.base import Cursor, Store, VersionUses
from hearth.store.sqlite import SQLiteStore


async def versioned(store: Store, make: Any, **fields: Any) -> tuple[Any, Any]:
    model = make.model(**fields)
    await store.models.create(model)
    version = make.version(model)
    await store.versions.add(version)
    return model, version


async def ended(store: Store, make: Any, version: Any, **fields: Any) -> Any:
    """A prediction that has succeeded."""
    prediction = make.prediction(version=version.id, model=version.model, **fields)
    await store.predictions.create(prediction, [])
    change = make.done(prediction)
    assert await store.predictions.record(change)
    return await store.predictions.get(prediction.id)


async def test_several_are_read_at_once(store: Store, make):
    model, version = await versioned(store, make)
    prediction = await ended(store, make, version)
    assert await store.predictions.many([prediction.id, "nothing"]) == {prediction.id: prediction}
    assert await store.versions.many([version.id, "nothing"]) == {version.id: version}
    found = await store.models.many([model.id, "nothing"])
    assert [(id, m.name) for id, m in found.items()] == [(model.id, model.name)]
    assert await store.predictions.many([]) == await store.versions.many([]) == await store.models.many([]) == {}


async def test_models_are_counted_up_to_a_limit(store: Store, make):
    for _ in range(3):
        await store.models.create(make.model())
    await store.models.create(make.model(account_id="o", owner="o"))
    assert await store.models.count("acme", 10) == 3
    assert await store.models.count("acme", 2) == 2
    assert await store.models.count("nobody", 2) == 0


async def test_a_model_may_be_deleted_only_if_nothing_uses_it(store: Store, make):
    model, version = await versioned(store, make)
    assert await store.models.delete(model.id, unused=True) is False
    assert await store.versions.delete(version.id, 5.0)
    assert await store.models.delete(model.id, unused=True) is True


async def test_what_a_maker_left_open_is_kept(store: Store, make):
    model = make.model(undecided=("visibility", "hardware"))
    await store.models.create(model)
    assert await store.models.get(model.owner, model.name) == model
    assert (await store.models.update(model.id, {"undecided": ()})).undecided == ()


async def test_accounts_are_listed(store: Store, make):
    accounts = [make.account() for _ in range(3)]
    for account in accounts:
        await store.accounts.create(account)
    first = await store.accounts.page(limit=2)
    assert first.items == accounts[:0:-1]
    assert (await store.accounts.page(limit=2, cursor=first.older)).items == accounts[:1]


async def test_models_worth_showing_go_both_ways_in_two_orders(store: Store, make):
    shown = []
    for n in range(5):
        model = make.model(
            visibility=Visibility.PUBLIC,
            latest_version_id="v",
            latest_version_at=float(-n),
            default_example_id="p",
        )
        await store.models.create(model)
        shown.append(model)
    for lacking in ({"visibility": Visibility.PRIVATE}, {"latest_version_id": None}, {"default_example_id": None}):
        fields = {"visibility": Visibility.PUBLIC, "latest_version_id": "v", "latest_version_at": 1.0}
        await store.models.create(make.model(**{**fields, "default_example_id": "p", **lacking}))
    for by, ascending, expected in (
        (ModelOrder.CREATED, True, shown),
        (ModelOrder.CREATED, False, shown[::-1]),
        (ModelOrder.PUSHED, True, shown[::-1]),
        (ModelOrder.PUSHED, False, shown),
    ):
        first = await store.models.shown(by, ascending=ascending, limit=2)
        second = await store.models.shown(by, ascending=ascending, limit=2, cursor=first.older)
        third = await store.models.shown(by, ascending=ascending, limit=2, cursor=second.older)
        assert first.items + second.items + third.items == expected
        assert (first.newer, third.older) == (None, None)
        back = await store.models.shown(by, ascending=ascending, limit=2, cursor=third.newer)
        assert back.items == second.items
        assert (await store.models.shown(by, ascending=ascending, limit=2, cursor=back.newer)).items == first.items


async def test_an_empty_page_of_an_ascending_list_leads_back(store: Store, make):
    fields = {"visibility": Visibility.PUBLIC, "latest_version_id": "v", "latest_version_at": 1.0}
    models = [make.model(default_example_id="p", **fields) for _ in range(2)]
    for model in models:
        await store.models.create(model)
    order = {"by": ModelOrder.CREATED, "ascending": True, "limit": 1}
    first = await store.models.shown(**order)
    await store.models.delete(models[1].id)
    empty = await store.models.shown(**order, cursor=first.older)
    assert (empty.items, empty.older) == ([], None)
    assert (await store.models.shown(**order, cursor=empty.newer)).items == models[:1]
    reverse = Cursor(models[0].created_at, models[0].id, reverse=True)
    empty = await store.models.shown(**order, cursor=reverse)
    assert (empty.items, empty.newer) == ([], None)
    assert (await store.models.shown(**order, cursor=empty.older)).items == models[:1]


Act = st.tuples(st.sampled_from(["add", "remove", "next", "previous"]), st.integers(0, 30))


@pytest.mark.parametrize("ascending", [False, True])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(Act, max_size=40))
async def test_pages_stay_right_while_models_come_and_go(store: Store, make, ascending: bool, acts):
    """Whatever is added or removed between two pages: a page is what lies beyond the cursor, in order."""
    there: dict[str, float] = {}
    page = await store.models.shown(ModelOrder.CREATED, ascending=ascending, limit=3)
    for act, n in acts:
        at = float(n // 2)  # some at the same moment
        if act == "add":
            model = make.model(
                created_at=at + 1,
                visibility=Visibility.PUBLIC,
                latest_version_id="v",
                latest_version_at=at,
                default_example_id="p",
            )
            await store.models.create(model)
            there[model.id] = at + 1
        elif act == "remove" and there:
            id = sorted(there)[n % len(there)]
            await store.models.delete(id)
            del there[id]
        else:
            cursor = page.older if act == "next" else page.newer
            if cursor is None:
                continue
            ordered = sorted(((at, id) for id, at in there.items()), reverse=not ascending)
            position = (cursor.at, cursor.id)
            forward = [p for p in ordered if (p > position) == ascending and p != position]
            backward = [p for p in ordered if (p < position) == ascending and p != position]
            expected = backward[-3:] if cursor.reverse else forward[:3]
            page = await store.models.shown(ModelOrder.CREATED, ascending=ascending, limit=3, cursor=cursor)
            assert [(m.created_at, m.id) for m in page.items] == expected
            if not cursor.reverse:
                assert (page.older is not None) == (len(forward) > 3)
    for id in there:
        await store.models.delete(id)


async def test_the_oldest_example_is_the_default(store: Store, make):
    model, version = await versioned(store, make)
    first, second, third = [await ended(store, make, version) for _ in range(3)]
    for prediction in (second, third, first, second):
        assert await store.examples.add(prediction.id)
    assert (await store.models.get(model.owner, model.name)).default_example_id == first.id
    page = await store.examples.page(model.id, limit=2)
    assert [p.id for p in page.items] == [first.id, second.id]
    assert page.items[0] == first
    assert [p.id for p in (await store.examples.page(model.id, limit=2, cursor=page.older)).items] == [third.id]
    assert await store.examples.model_of(second.id) == model.id
    assert await store.examples.remove(first.id) is True
    assert await store.examples.remove(first.id) is False
    assert await store.examples.model_of(first.id) is None
    assert (await store.models.get(model.owner, model.name)).default_example_id == second.id
    for prediction in (second, third):
        await store.examples.remove(prediction.id)
    assert (await store.models.get(model.owner, model.name)).default_example_id is None


async def test_what_does_not_exist_is_no_example(store: Store, make):
    assert await store.examples.add("nothing") is False
    stray = make.prediction(version="f" * 64)
    await store.predictions.create(stray, [])
    assert await store.examples.add(stray.id) is False


async def test_an_example_keeps_its_data_and_its_files(store: Store, make):
    _, version = await versioned(store, make)
    prediction = await ended(store, make, version)
    output = make.file(kind=FileKind.OUTPUT, prediction_id=prediction.id, expires_at=5.0)
    upload, strange = make.file(expires_at=5.0), make.file(expires_at=5.0, account_id="other")
    for file in (output, upload, strange):
        await store.files.add(file)
    assert await store.examples.add(prediction.id, [upload.id, strange.id])
    assert [f.id for f in await store.files.expired(1e12, 10)] == [strange.id]
    assert {f.id for f in await store.files.of_predictions([prediction.id])} == {output.id, upload.id}
    assert (await store.files.page("acme")).items == []
    assert prediction.id not in await store.predictions.scrub(1e12, 1e12, 100)
    assert await store.examples.remove(prediction.id)
    assert prediction.id in await store.predictions.scrub(1e12, 1e12, 100)


async def test_the_examples_of_a_push_show_themselves_and_replace_earlier_ones(store: Store, make):
    model, version = await versioned(store, make)
    by_hand = await ended(store, make, version)
    await store.examples.add(by_hand.id)
    old = await ended(store, make, version, source=EXAMPLE)
    failing = make.prediction(version=version.id, model=version.model, source=EXAMPLE)
    await store.predictions.create(failing, [])
    assert await store.predictions.record(make.done(failing, Phase.FAILED))
    assert [p.id for p in (await store.examples.page(model.id)).items] == [by_hand.id, old.id]
    newer = make.version(model)
    await store.versions.add(newer)
    twins = [await ended(store, make, newer, source=EXAMPLE) for _ in range(2)]
    assert [p.id for p in (await store.examples.page(model.id)).items] == [by_hand.id, *(t.id for t in twins)]
    assert old.id in await store.predictions.scrub(1e12, 1e12, 100)


async def test_who_uses_a_version(store: Store, make):
    _, version = await versioned(store, make)
    assert await store.versions.uses(version.id, "m") == VersionUses(False, False, False)
    await ended(store, make, version, account_id="m")
    assert await store.versions.uses(version.id, "m") == VersionUses(False, False, False)
    await ended(store, make, version, account_id="m", kind=PredictionKind.TRAINING)
    assert await store.versions.uses(version.id, "m") == VersionUses(False, True, False)
    for other in ("a", "z"):
        assert await store.versions.uses(version.id, other) == VersionUses(True, False, False)


async def test_a_deleted_version_is_gone_at_once_and_what_is_left_is_listed(store: Store, make):
    model, first = await versioned(store, make)
    shared, own = SourceFile(path="a", sha256="1" * 64, size=1), SourceFile(path="b", sha256="2" * 64, size=1)
    building = SourceFile(path="c", sha256="3" * 64, size=1)
    second = make.version(model, recipe=Recipe(source=(shared, own, building), environment="e"))
    third = make.version(model, recipe=Recipe(source=(shared, shared), environment="e"))
    await store.versions.add(second)
    await store.versions.add(third)
    await store.versions.add(second)  # and latest once more
    build = make.build(source=(building,), created_at=50.0)
    await store.builds.create(build)
    kept, lost = await ended(store, make, first), await ended(store, make, second)
    await store.examples.add(lost.id)
    await store.examples.add(kept.id)
    waiting = make.prediction(version=second.id)
    await store.predictions.create(waiting, [])
    assert await store.versions.delete("nothing", 5.0) is False
    assert await store.versions.delete(second.id, 5.0) is True
    assert await store.versions.delete(second.id, 5.0) is False
    assert await store.versions.get(second.id) is None
    found = await store.models.get(model.owner, model.name)
    assert (found.latest_version_id, found.latest_version_at) == (third.id, third.created_at)
    assert found.default_example_id == kept.id
    (removal,) = await store.removals.pending(10)
    assert (removal.version_id, removal.model) == (second.id, model.full_name)
    assert removal.source == second.recipe.source
    assert await store.removals.predictions(second.id, 10) == [(lost.id, True), (waiting.id, False)]
    assert await store.removals.predictions(second.id, 1) == [(lost.id, True)]
    assert await store.garbage.condemn([file.sha256 for file in removal.source]) == [own.sha256]
    await store.predictions.delete([lost.id])
    assert await store.predictions.get(lost.id) is None
    assert await store.removals.predictions(second.id, 10) == [(waiting.id, False)]
    await store.removals.done(second.id)
    assert await store.removals.pending(10) == []


async def test_the_last_version_leaves_a_model_without_any(store: Store, make):
    model, version = await versioned(store, make)
    await store.versions.delete(version.id, 5.0)
    found = await store.models.get(model.owner, model.name)
    assert (found.latest_version_id, found.latest_version_at) == (None, None)


async def test_a_version_that_is_pushed_again_ends_its_removal(store: Store, make):
    _, version = await versioned(store, make)
    await store.versions.delete(version.id, 5.0)
    assert await store.versions.add(version) is True
    assert await store.removals.pending(10) == []
    assert await store.versions.delete(version.id, 6.0) is True
    (removal,) = await store.removals.pending(10)
    assert await store.garbage.condemn([file.sha256 for file in removal.source]) == ["c" * 64]


async def test_deleted_predictions_take_everything_but_files(store: Store, make):
    prediction, other = make.prediction(), make.prediction()
    for p in (prediction, other):
        await store.predictions.create(p, [], deliveries=[make.delivery(p)])
        await store.predictions.record(make.done(p))
    await store.predictions.delete([prediction.id, "nothing"])
    assert await store.predictions.get(prediction.id) is None
    assert await store.outbox.of_prediction(prediction.id) == []
    assert len(await store.outbox.of_prediction(other.id)) == 1


def collection(make: Any, **fields: Any) -> Collection:
    defaults = {"slug": ids.random32(), "name": "Words", "description": "Make text.", "created_at": make.at()}
    return Collection(**{**defaults, **fields})


async def test_collections_come_back_as_they_went_in(store: Store, make):
    first, second = collection(make, full_description="# All"), collection(make)
    await store.collections.create(first)
    await store.collections.create(second)
    assert await store.collections.get(first.slug) == first
    assert await store.collections.get("nothing") is None
    page = await store.collections.page(limit=1)
    assert page.items == [second]
    assert (await store.collections.page(limit=1, cursor=page.older)).items == [first]
    with pytest.raises(Conflict, match=first.slug):
        await store.collections.create(first)
    changed = await store.collections.update(first.slug, {"name": "Text"})
    assert changed == msgspec.structs.replace(first, name="Text")
    assert await store.collections.update(first.slug, {}) == changed
    assert await store.collections.update("nothing", {"name": "x"}) is None
    with pytest.raises(ValueError, match="slug"):
        await store.collections.update(first.slug, {"slug": "x"})
    assert await store.collections.delete(first.slug) is True
    assert await store.collections.delete(first.slug) is False


async def test_models_stand_in_a_collection_in_the_order_they_came(store: Store, make):
    models = [make.model() for _ in range(3)]
    for model in models:
        await store.models.create(model)
    shelf = collection(make)
    await store.collections.create(shelf)
    for model in (models[2], models[0], models[1]):
        assert await store.collections.add(shelf.slug, model.id) is True
    assert await store.collections.add(shelf.slug, models[0].id) is False
    assert await store.collections.models(shelf.slug) == [models[2], models[0], models[1]]
    assert await store.collections.remove(shelf.slug, models[2].id) is True
    assert await store.collections.remove(shelf.slug, models[2].id) is False
    await store.models.delete(models[0].id)
    assert await store.collections.models(shelf.slug) == [models[1]]
    for slug, model in ((shelf.slug, "nothing"), ("nothing", models[1].id)):
        with pytest.raises(Conflict):
            await store.collections.add(slug, model)


async def names(store: Store, query: str, kind: Findable = Findable.MODEL, account_id: str = "acme") -> list[str]:
    return [h.name for h in await store.search.find(kind, words(query), account_id=account_id, limit=10)]


async def test_search_ranks_names_over_descriptions_over_readmes(store: Store, make):
    fields = [
        {"name": "third", "readme": "It can whisper."},
        {"name": "second", "description": "Whisper in your ear"},
        {"name": "whisper-large"},
        {"name": "fourth", "description": "unrelated"},
    ]
    for some in fields:
        await store.models.create(make.model(visibility=Visibility.PUBLIC, **some))
    assert await names(store, "whisper") == ["acme/whisper-large", "acme/second", "acme/third"]
    assert await names(store, "whi") == ["acme/whisper-large", "acme/second", "acme/third"]
    assert await names(store, "acme WHISPER") == ["acme/whisper-large", "acme/second", "acme/third"]
    assert await names(store, "whisper ear") == ["acme/second"]
    hits = await store.search.find(Findable.MODEL, ["whisper"], account_id="acme", limit=2)
    assert [h.name for h in hits] == ["acme/whisper-large", "acme/second"]
    assert hits[0].score > hits[1].score


@pytest.mark.parametrize("query", ["whispr", "whisperr large", "transciption"])
async def test_search_forgives_spelling(store: Store, make, query: str):
    await store.models.create(make.model(name="whisper-large", description="Transcription of speech"))
    await store.models.create(make.model(name="banana", description="Pictures of fruit"))
    assert await names(store, query) == ["acme/whisper-large"]


@pytest.mark.parametrize(
    "query", ["zebra", "", "'", '"', "a'b\"", "* OR", "NOT (", ": & | !", "-", "\x00x", "é", "x" * 500]
)
async def test_search_takes_any_text(store: Store, make, query: str):
    await store.models.create(make.model(name="hello"))
    assert await names(store, query) == []


async def test_search_hides_what_is_private(store: Store, make):
    mine = make.model(name="whisper-mine")
    theirs = make.model(name="whisper-theirs", account_id="o", owner="o")
    for model in (mine, theirs):
        await store.models.create(model)
    assert await names(store, "whisper") == ["acme/whisper-mine"]
    assert await names(store, "whispr") == ["acme/whisper-mine"]
    assert await names(store, "whisper", account_id="o") == ["o/whisper-theirs"]
    await store.models.update(theirs.id, {"visibility": Visibility.PUBLIC})
    assert len(await names(store, "whisper")) == 2


async def test_search_follows_changes(store: Store, make):
    model = make.model(name="hello", description="alpha", readme="beta")
    await store.models.create(model)
    await store.models.update(model.id, {"description": "gamma", "readme": None})
    assert await names(store, "alpha") == await names(store, "beta") == []
    assert await names(store, "gamma") == ["acme/hello"]
    await store.models.delete(model.id)
    assert await names(store, "hello") == []


async def test_collections_and_pages_are_found(store: Store, make):
    shelf = collection(make, name="Make pictures", description="From words", full_description="Stable things")
    await store.collections.create(shelf)
    assert await names(store, "stable", Findable.COLLECTION) == ["Make pictures"]
    await store.collections.update(shelf.slug, {"name": "Paint"})
    assert await names(store, "paint", Findable.COLLECTION) == ["Paint"]
    await store.collections.delete(shelf.slug)
    assert await names(store, "paint", Findable.COLLECTION) == []
    pages = [DocPage("/docs/a", "Webhooks", "signed"), DocPage("/docs/b", "Files", "uploads")]
    await store.search.set_pages(pages)
    (hit,) = await store.search.find(Findable.PAGE, ["uploads"], account_id="", limit=5)
    assert (hit.key, hit.name) == ("/docs/b", "Files")
    await store.search.set_pages([DocPage("/docs/a", "Events", "signed")])
    assert await names(store, "uploads", Findable.PAGE) == await names(store, "webhooks", Findable.PAGE) == []
    assert await names(store, "signed", Findable.PAGE) == ["Events"]


async def test_the_index_of_sqlite_is_whole_after_all_that(store: Store, make):
    if not isinstance(store, SQLiteStore):
        pytest.skip("FTS5 is SQLite's")
    model = make.model(name="hello", description="alpha")
    await store.models.create(model)
    await store.models.update(model.id, {"description": "beta"})
    await store.models.delete(model.id)
    for table in ("findable_words", "findable_trigrams"):
        check = f"INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 1)"
        await store._writer.submit(lambda db, sql=check: db.execute(sql) and None)


async def test_examples_and_versions_change_at_the_same_time(store: Store, make):
    model, version = await versioned(store, make)
    doomed = make.version(model)
    await store.versions.add(doomed)
    kept = [await ended(store, make, version) for _ in range(6)]
    lost = [await ended(store, make, doomed) for _ in range(6)]
    await asyncio.gather(*[store.examples.add(p.id) for p in (*kept, *lost)])
    await asyncio.gather(
        *[store.examples.remove(p.id) for p in kept[:3]],
        store.versions.delete(doomed.id, 5.0),
        *[ended(store, make, version, source=EXAMPLE) for _ in range(3)],
        *[store.examples.add(p.id) for p in kept[3:]],
    )
    shown = (await store.examples.page(model.id)).items
    assert {p.id for p in kept[3:]} <= {p.id for p in shown}
    assert not {p.id for p in (*lost, *kept[:3])} & {p.id for p in shown}
    assert (await store.models.get(model.owner, model.name)).default_example_id == shown[0].id
