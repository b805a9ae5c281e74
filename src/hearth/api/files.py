"""Files: upload, list, get, delete, signed download; and the outputs of models, by unguessable links."""

from __future__ import annotations

import hashlib
from contextlib import closing

from hearth import errors
from hearth.api import once, paging, serving, stream, wire
from hearth.api.auth import authenticate
from hearth.api.bodies import FileBody, PageBody
from hearth.api.http import Reply, Request, Stream
from hearth.api.multipart import Upload, read_upload
from hearth.api.route import CURSOR, NOT_FOUND, Auth, Content, Parameter, Route
from hearth.domain.file import File
from hearth.errors import NotFound

STREAM_TOKEN_LENGTH = 52
"""File ids have 26 characters: what is asked for at /files/{…} is told by its length."""
_FORM_OVERHEAD = 4 * 1024 * 1024
_OUTPUT_CACHE = b"public, max-age=3600"


async def create(request: Request) -> FileBody | Reply:
    limit = request.options.max_file
    length = request.header(b"content-length")
    if length is not None and length.isdigit() and int(length) > limit + _FORM_OVERHEAD:
        raise errors.TooLarge(f"Files must be less than {limit // (1024 * 1024)}MB in size")
    upload = await read_upload(request.header(b"content-type"), request.chunks(limit + _FORM_OVERHEAD), limit)
    with closing(upload.content):
        if request.header(once.HEADER) is None:
            return await _upload(request, upload)
        digest = hashlib.sha256()
        async for chunk in upload.chunks():
            digest.update(chunk)
        upload.content.seek(0)
        # Forms of the same content differ in their boundaries, so what they hold is compared.
        asked = once.of(request, (upload.name, upload.content_type, upload.metadata, digest.hexdigest()))
        assert asked is not None, "the header is there"

        async def make() -> Reply:
            return Reply(201, wire.encode(await _upload(request, upload), request.origin))

        return await once.answer(request, asked, make)


async def _upload(request: Request, upload: Upload) -> FileBody:
    file = await request.services.files.upload(
        request.account,
        name=upload.name,
        content_type=upload.content_type,
        metadata=upload.metadata,
        chunks=upload.chunks(),
    )
    return _shown(request, file)


def _shown(request: Request, file: File) -> FileBody:
    return wire.file(file, request.origin, request.services.files.link(request.account.username, file))


async def index(request: Request) -> PageBody[FileBody]:
    found = await request.services.files.page(request.account, paging.cursor(request))
    return paging.page(request, found, [_shown(request, file) for file in found.items])


async def get(request: Request) -> FileBody | Stream:
    """A file's metadata; for a stream token, which is its own secret, the stream."""
    id_ = request.params["id"]
    if len(id_) == STREAM_TOKEN_LENGTH:
        return await stream.by_token(request, id_)
    await authenticate(request)
    return _shown(request, await request.services.files.get(request.account, id_))


async def delete(request: Request) -> None:
    await request.services.files.delete(request.account, request.params["id"])


async def download(request: Request) -> Reply | Stream:
    """By signature; without one, `download` is taken for the name of an output."""
    query = request.query
    if "signature" not in query:
        return await _output(request, "download")
    expiry = query.get("expiry", "")
    if not (expiry.isascii() and expiry.isdigit() and len(expiry) < 16):
        raise NotFound("File not found")
    id_ = request.params["id"]
    # A base64 "+" that was not escaped arrives as a blank.
    signature = query["signature"].replace(" ", "+")
    request.services.files.check_signature(query.get("owner", ""), id_, int(expiry), signature)
    file = await request.services.files.open(id_)
    return await serving.serve(request, file, disposition="attachment", cache=b"private, no-store")


async def output(request: Request) -> Reply | Stream:
    return await _output(request, request.params["name"])


async def _output(request: Request, name: str) -> Reply | Stream:
    file = await request.services.files.open(request.params["id"], name)
    return await serving.serve(request, file, disposition="inline", cache=_OUTPUT_CACHE)


ROUTES = (
    Route(
        method="POST",
        path="/files",
        operation_id="files.create",
        summary="Upload a file",
        handler=create,
        body=Content.FORM,
        reply=FileBody,
        status=201,
        errors=(errors.TooLarge, errors.InvalidRequest),
        creates=True,
    ),
    Route(
        method="GET",
        path="/files",
        operation_id="files.list",
        summary="List uploaded files, newest first",
        handler=index,
        reply=PageBody[FileBody],
        errors=(errors.InvalidRequest,),
        parameters=(CURSOR,),
    ),
    Route(
        method="GET",
        path="/files/{id}",
        operation_id="files.get",
        summary="Get an uploaded file's details, or the stream behind a stream token",
        handler=get,
        reply=FileBody,
        auth=Auth.LINK,
        errors=(errors.Unauthenticated, *NOT_FOUND),
        streams=True,
    ),
    Route(
        method="DELETE",
        path="/files/{id}",
        operation_id="files.delete",
        summary="Delete an uploaded file",
        handler=delete,
        status=204,
        errors=NOT_FOUND,
    ),
    Route(
        method="GET",
        path="/files/{id}/download",
        operation_id="files.download",
        summary="Download an uploaded file by a signed link",
        handler=download,
        reply=Content.BINARY,
        auth=Auth.LINK,
        errors=NOT_FOUND,
        parameters=(
            Parameter("owner", "The username of the file's owner.", required=True),
            Parameter("expiry", "When the link ends: seconds since 1970.", required=True),
            Parameter("signature", 'base64(HMAC-SHA256(key, "{owner} {id} {expiry}")).', required=True),
        ),
    ),
    Route(
        method="GET",
        path="/files/{id}/{name}",
        operation_id="files.output",
        summary="Read a file that a model made",
        handler=output,
        reply=Content.BINARY,
        auth=Auth.LINK,
        errors=NOT_FOUND,
        ours=True,
    ),
)
