"""Pushes: a folder's files by content, the ones that are missing as a tar, then the build's log."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from hearth import errors
from hearth.api import stream, wire
from hearth.api.bodies import MissingBody, PushBody
from hearth.api.http import Request, Stream
from hearth.api.route import NOT_FOUND, Content, Route
from hearth.domain.model import Build, SourceFile


class CreatePush(msgspec.Struct, frozen=True, kw_only=True):
    source: list[SourceFile]
    create: bool = False
    """Make the model if it does not exist."""
    visibility: str | None = None
    """Of the model that is made; null: what its hearth.yaml says, private if that says nothing."""


async def create(request: Request, body: CreatePush) -> PushBody:
    build, missing = await request.services.pushes.start(
        request.account,
        request.params["owner"],
        request.params["name"],
        body.source,
        create=body.create,
        visibility=body.visibility,
    )
    return wire.push(build, request.origin, missing)


async def upload(request: Request) -> MissingBody:
    missing = await request.services.pushes.upload(request.account, request.params["id"], request.chunks())
    return MissingBody(missing)


async def get(request: Request) -> PushBody:
    build = await request.services.pushes.get(request.account, request.params["id"])
    return wire.push(build, request.origin)


async def log(request: Request) -> Stream:
    """From the start; ends with `done` when the build has ended."""
    build = await request.services.pushes.get(request.account, request.params["id"])
    return stream.answer(_log(request, build))


async def _log(request: Request, build: Build) -> AsyncGenerator[bytes, None]:
    yield stream.HELLO
    epoch, number = int(build.created_at), 0
    async with aclosing(request.services.pushes.log(request.account, build.id)) as texts:
        async for text in texts:
            if text is None:
                yield stream.HEARTBEAT
            elif text:
                yield stream.frame("log", f"{epoch}:{number}", text)
                number += 1
    build = await request.services.pushes.get(request.account, build.id)
    if build.state.terminal:
        done = {"status": build.state, "version": build.version_id, "error": build.error, "hint": build.hint}
        yield stream.frame("done", f"{epoch}:{number}", msgspec.json.encode(done).decode())


ROUTES = (
    Route(
        method="POST",
        path="/models/{owner}/{name}/pushes",
        operation_id="pushes.create",
        summary="Start a push: name the files, learn which ones the server lacks",
        handler=create,
        body=CreatePush,
        reply=PushBody,
        status=201,
        errors=(errors.NotFound, errors.InvalidRequest, errors.Conflict),
        creates=True,
        ours=True,
    ),
    Route(
        method="PUT",
        path="/pushes/{id}/source",
        operation_id="pushes.source",
        summary="Send missing files: a tar, gzipped or not, members named by their sha256",
        handler=upload,
        body=Content.TAR,
        reply=MissingBody,
        status=202,
        errors=(errors.NotFound, errors.InvalidRequest, errors.Conflict, errors.TooLarge),
        ours=True,
    ),
    Route(
        method="GET",
        path="/pushes/{id}",
        operation_id="pushes.get",
        summary="Get a push and what became of it",
        handler=get,
        reply=PushBody,
        errors=NOT_FOUND,
        ours=True,
    ),
    Route(
        method="GET",
        path="/pushes/{id}/log",
        operation_id="pushes.log",
        summary="Stream a push's build log as server-sent events",
        handler=log,
        reply=Content.EVENTS,
        errors=NOT_FOUND,
        ours=True,
    ),
)
