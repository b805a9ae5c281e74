"""Every way to name a version (client-contract.md 7.2, model-catalog.md section 1)."""

from __future__ import annotations

from typing import Any

import pytest

from hearth.domain.account import Account
from hearth.errors import InvalidVersion, NotFound
from hearth.service.versions import Reference, Resolver, parse_reference
from hearth.testing.clock import FakeClock

ID = "0123456789abcdef" * 4


def document(required: tuple[str, ...], optional: tuple[str, ...] = (), type: str = "string") -> dict[str, Any]:
    properties = {name: {"type": type} for name in (*required, *optional)}
    found = {"type": "object", "properties": properties, "required": list(required)}
    return {"components": {"schemas": {"Input": found, "Output": {"type": "string"}}}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("latest", Reference(None, None, "latest")),
        (ID, Reference(None, None, ID)),
        ("a/b", Reference("a", "b", "latest")),
        ("a/b:latest", Reference("a", "b", "latest")),
        (f"a/b:{ID}", Reference("a", "b", ID)),
    ],
)
def test_references(text: str, expected: Reference) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize("text", ["", "a", "a/b/c", "a/", "/b", "a/b:", "a/b:c:d", "a b/c", ID[:-1], ID.upper()])
def test_what_is_no_reference_is_told(text: str) -> None:
    with pytest.raises(InvalidVersion) as caught:
        parse_reference(text)
    assert "owner/name" in str(caught.value.hint)


async def test_all_forms_lead_to_the_version(hearth: Any, ann: Account) -> None:
    _, old = await hearth.version(ann, "m")
    model, new = await hearth.version(ann, "m")
    resolve = hearth.resolver.resolve
    for reference in ("ann/m", "ann/m:latest", f"ann/m:{new.id}", new.id, "latest"):
        assert (await resolve(ann, version=reference))[:2] == (model, new), reference
    for reference in (f"ann/m:{old.id}", old.id):
        assert (await resolve(ann, version=reference)).version == old
    for door in ("m", "m:latest", f"m:{new.id}"):
        assert (await resolve(ann, model=("ann", door))).version == new
    assert (await resolve(ann, model=("ann", f"m:{old.id}"))).version == old


async def test_a_version_at_the_door_of_a_model_is_used_if_it_belongs_there(hearth: Any, ann: Account) -> None:
    _, old = await hearth.version(ann, "m")
    _, new = await hearth.version(ann, "m")
    _, other = await hearth.version(ann, "other")
    for sent in (old.id, f"ann/m:{old.id}"):
        assert (await hearth.resolver.resolve(ann, model=("ann", "m"), version=sent)).version == old
    for sent in (other.id, ID, "nonsense", "ann/other", "latest", "ann/m"):
        assert (await hearth.resolver.resolve(ann, model=("ann", "m"), version=sent)).version == new


async def test_references_that_lead_nowhere(hearth: Any, ann: Account) -> None:
    await hearth.version(ann, "m")
    _, other = await hearth.version(ann, "other")
    for reference in ("ann/x", "x/m", ID, f"ann/m:{ID}", f"ann/m:{other.id}", "ann/m:1"):
        with pytest.raises(InvalidVersion):
            await hearth.resolver.resolve(ann, version=reference)
    with pytest.raises(NotFound):
        await hearth.resolver.resolve(ann, model=("ann", "x"))
    with pytest.raises(InvalidVersion):
        await hearth.resolver.resolve(ann)


async def test_a_model_without_a_version_says_how_to_make_one(hearth: Any, ann: Account) -> None:
    await hearth.models.create(ann, owner="ann", name="new", visibility="private", hardware="cpu")
    with pytest.raises(InvalidVersion, match="no version yet") as caught:
        await hearth.resolver.resolve(ann, version="ann/new")
    assert "hearth push" in str(caught.value.hint)


async def test_a_public_model_may_be_run_by_all(hearth: Any, ann: Account, bob: Account) -> None:
    _, version = await hearth.version(ann, "m", public=True)
    for reference in ("ann/m", version.id, "latest"):
        assert (await hearth.resolver.resolve(bob, version=reference)).version == version


async def test_a_bare_latest_is_told_by_the_input_keys(hearth: Any, ann: Account, bob: Account) -> None:
    _, text = await hearth.version(ann, "text", document(("prompt",), ("top_k",)))
    _, image = await hearth.version(ann, "image", document(("image",), ("prompt",)))
    await hearth.version(bob, "secret", document(("prompt",)))
    resolve = hearth.resolver.resolve
    assert (await resolve(ann, version="latest", input={"prompt": "x"})).version == text
    assert (await resolve(ann, version="latest", input={"prompt": "x", "image": "y"})).version == image
    with pytest.raises(InvalidVersion) as caught:
        await resolve(ann, version="latest", input={"prompt": "x", "audio": "y"})
    assert "ann/image, ann/text" in caught.value.message
    assert "bob/secret" not in caught.value.message
    assert "owner/name" in caught.value.message


async def test_values_count_as_well_as_keys(hearth: Any, ann: Account) -> None:
    _, words = await hearth.version(ann, "words", document(("x",), type="string"))
    _, lists = await hearth.version(ann, "lists", document(("x",), type="array"))
    assert (await hearth.resolver.resolve(ann, version="latest", input={"x": "a"})).version == words
    assert (await hearth.resolver.resolve(ann, version="latest", input={"x": [{}]})).version == lists


async def test_several_that_fit_are_named_unless_one_has_priority(hearth: Any, ann: Account) -> None:
    await hearth.version(ann, "one", document(("x",)))
    await hearth.version(ann, "two", document(("x",)))
    await hearth.version(ann, "unlike", document(("y",)))
    with pytest.raises(InvalidVersion) as caught:
        await hearth.resolver.resolve(ann, version="latest", input={"x": "a"})
    assert "2 models fit" in caught.value.message
    assert "ann/one, ann/two)" in caught.value.message
    _, first = await hearth.version(ann, "three", document(("x",)), priority=5)
    assert (await hearth.resolver.resolve(ann, version="latest", input={"x": "a"})).version == first


async def test_a_bare_latest_without_any_model(hearth: Any, ann: Account) -> None:
    with pytest.raises(InvalidVersion, match="there is no model"):
        await hearth.resolver.resolve(ann, version="latest", input={})


async def test_another_process_is_heard_within_the_ttl(hearth: Any, ann: Account) -> None:
    clock = FakeClock()
    resolver = Resolver(store=hearth.store, clock=clock, ttl=1.0)
    _, old = await hearth.version(ann, "m")
    assert (await resolver.resolve(ann, version="ann/m")).version == old
    _, new = await hearth.version(ann, "m")
    assert (await resolver.resolve(ann, version="ann/m")).version == old
    await clock.advance(1.1)
    assert (await resolver.resolve(ann, version="ann/m")).version == new
    _, newest = await hearth.version(ann, "m")
    resolver.forget("ann", "m")
    assert (await resolver.resolve(ann, version="ann/m")).version == newest
