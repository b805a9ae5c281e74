"""Predictions that others may see, and predictions that are gone; how models present themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from hearth.domain.account import Account
from hearth.domain.file import File, FileKind, parse_reference
from hearth.domain.model import Visibility
from hearth.errors import Conflict, InvalidRequest, NotFound, TooLarge

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32


@pytest.fixture
async def ended(hearth: Any, engine: Any, ann: Account) -> str:
    """The id of a prediction of ann's private model."""
    _, version = await hearth.version(ann, "m")
    made = await hearth.predictions.create(ann, version=version.id, input={"prompt": "a"}, origin="https://x")
    engine.take(made)
    await engine.finish(made.id, "A")
    return made.id


async def test_a_shared_prediction_is_everybodys_and_others_are_nobodys(
    hearth: Any, ended: str, ann: Account, bob: Account
) -> None:
    assert (await hearth.sharing.view(ann, ended)).output == "A"
    with pytest.raises(NotFound):
        await hearth.sharing.view(bob, ended)
    with pytest.raises(NotFound):
        await hearth.sharing.share(bob, ended)
    await hearth.sharing.share(ann, ended)
    assert await hearth.sharing.shared(ended)
    assert (await hearth.sharing.view(bob, ended)).output == "A"
    await hearth.sharing.share(ann, ended, False)
    with pytest.raises(NotFound):
        await hearth.sharing.view(bob, ended)


async def test_it_stays_shared_when_it_is_an_example_no_more(hearth: Any, ended: str, ann: Account) -> None:
    await hearth.examples.add(ann, "ann", "m", ended)
    assert await hearth.sharing.example(ended)
    await hearth.sharing.share(ann, ended)
    await hearth.examples.remove(ann, "ann", "m", ended)
    assert await hearth.sharing.shared(ended)
    assert await hearth.store.predictions.scrub(1e12, 10) == []


async def test_a_deleted_prediction_leaves_nothing(hearth: Any, ended: str, ann: Account, bob: Account) -> None:
    file = File(
        id="f" * 26, account_id=ann.id, kind=FileKind.OUTPUT, name="a.png", content_type="image/png", size=1,
        sha256="", md5="", created_at=1.0, prediction_id=ended,
    )  # fmt: skip
    await hearth.store.files.add(file)
    await hearth.blobs.put(file.key, b"x")
    await hearth.examples.add(ann, "ann", "m", ended)
    with pytest.raises(NotFound):
        await hearth.sharing.delete(bob, ended)
    await hearth.sharing.delete(ann, ended)
    with pytest.raises(NotFound):
        await hearth.sharing.view(ann, ended)
    assert await hearth.store.files.get(file.id) is None
    with pytest.raises(NotFound):
        [chunk async for chunk in hearth.blobs.stream(file.key)]
    assert (await hearth.models.get(ann, "ann", "m")).default_example_id is None


async def test_what_goes_on_cannot_be_deleted(hearth: Any, engine: Any, ann: Account) -> None:
    _, version = await hearth.version(ann, "m")
    made = await hearth.predictions.create(ann, version=version.id, input={"prompt": "a"}, origin="https://x")
    with pytest.raises(Conflict, match="has not ended"):
        await hearth.sharing.delete(ann, made.id)


async def test_visibility_and_hardware_are_the_owners(hearth: Any, ann: Account, bob: Account) -> None:
    await hearth.version(ann, "m")
    changed = await hearth.showing.configure(ann, "ann", "m", visibility="public", hardware="cpu-small")
    assert (changed.visibility, changed.hardware) == (Visibility.PUBLIC, "cpu-small")
    assert (await hearth.models.get(bob, "ann", "m")).name == "m"
    with pytest.raises(NotFound):
        await hearth.showing.configure(bob, "ann", "m", visibility="private", hardware="cpu")
    with pytest.raises(InvalidRequest) as caught:
        await hearth.showing.configure(ann, "ann", "m", visibility="secret", hardware="abacus")
    assert [error.pointer for error in caught.value.errors] == ["/visibility", "/hardware"]


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_cover_is_a_picture_and_the_old_one_goes(hearth: Any, ann: Account) -> None:
    await hearth.version(ann, "m")
    await hearth.showing.set_cover(ann, "ann", "m", "a.png", chunks(PNG))
    first = parse_reference((await hearth.models.get(ann, "ann", "m")).cover_image_url or "")
    assert first is not None
    with pytest.raises(InvalidRequest, match="picture"):
        await hearth.showing.set_cover(ann, "ann", "m", "page.html", chunks(b"<p>"))
    with pytest.raises(TooLarge):
        await hearth.showing.set_cover(ann, "ann", "m", "big.png", chunks(PNG, b"\0" * 10 * 2**20))
    await hearth.showing.remove_cover(ann, "ann", "m")
    assert (await hearth.models.get(ann, "ann", "m")).cover_image_url is None
    assert await hearth.store.files.get(first[0]) is None


async def test_the_models_of_an_owner(hearth: Any, ann: Account, bob: Account) -> None:
    await hearth.version(ann, "hidden")
    await hearth.version(ann, "seen", public=True)
    owner, page = await hearth.models.of_owner(bob, "ann")
    assert (owner.username, [m.name for m in page.items]) == ("ann", ["seen"])
    assert [m.name for m in (await hearth.models.of_owner(ann, "ann"))[1].items] == ["seen", "hidden"]
    with pytest.raises(NotFound):
        await hearth.models.of_owner(ann, "nobody")
