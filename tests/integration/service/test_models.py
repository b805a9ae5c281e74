"""Models and versions as callers may see them."""

from __future__ import annotations

from typing import Any

import pytest

from hearth.domain.account import Account
from hearth.domain.model import Visibility
from hearth.errors import Conflict, InvalidRequest, NotFound

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
    assert (await hearth.models.page(bob)).items == []
    assert (await hearth.models.mine(bob)).items == []


async def test_lists(hearth: Any, ann: Account, bob: Account) -> None:
    await hearth.version(ann, "shown", public=True)
    await hearth.version(ann, "private")
    await hearth.models.create(ann, **{**GOOD, "name": "empty", "visibility": "public"})
    assert [m.name for m in (await hearth.models.page(bob)).items] == ["shown"]
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
