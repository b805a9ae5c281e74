"""Models, collections and search results as JSON: answers that embed other records."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hearth.api import wire
from hearth.api.bodies import ModelBody
from hearth.api.http import Request
from hearth.domain.catalog import Collection
from hearth.domain.model import cover
from hearth.service.models import Shown
from hearth.service.search import Found


class CollectionBody(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    slug: str
    description: str


class CollectionDetail(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    slug: str
    description: str
    full_description: str | None
    models: list[ModelBody]


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    generated_description: str | None = None
    tags: list[str] = []
    score: float | None


class FoundModel(msgspec.Struct, frozen=True):
    model: ModelBody
    metadata: Metadata


class FoundCollection(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    slug: str
    description: str
    models: list[str] | None
    """`owner/name`."""


class FoundPage(msgspec.Struct, frozen=True):
    name: str
    href: str


class SearchBody(msgspec.Struct, frozen=True, kw_only=True):
    query: str
    models: list[FoundModel]
    collections: list[FoundCollection]
    pages: list[FoundPage]


async def model(request: Request, shown: Shown) -> ModelBody:
    record, latest, example = shown
    if latest is not None:
        request.services.wire.shapes.learn(latest)  # most examples are of the latest version: nothing is read for them
    body = await request.services.wire.read(example, request.origin) if example else None
    return wire.model(record, latest, request.origin, example=body, cover=cover(record, example))


async def models(request: Request, shown: Sequence[Shown]) -> list[ModelBody]:
    return [await model(request, each) for each in shown]


def collection(record: Collection) -> CollectionBody:
    return CollectionBody(name=record.name, slug=record.slug, description=record.description)


async def detail(request: Request, record: Collection, members: Sequence[Shown]) -> CollectionDetail:
    return CollectionDetail(
        name=record.name,
        slug=record.slug,
        description=record.description,
        full_description=record.full_description,
        models=await models(request, members),
    )


async def found(request: Request, query: str, results: Found) -> SearchBody:
    return SearchBody(
        query=query,
        models=[FoundModel(await model(request, each), Metadata(score=score)) for each, score in results.models],
        collections=[
            FoundCollection(name=c.name, slug=c.slug, description=c.description, models=members)
            for c, members in results.collections
        ],
        pages=[FoundPage(hit.name, hit.key) for hit in results.pages],
    )
