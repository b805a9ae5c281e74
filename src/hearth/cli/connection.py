"""How a command finds its server, and the one HTTP client that all commands share.

In order: `HEARTH_URL` and `HEARTH_TOKEN` (with `HEARTH_CA` for a private authority), else
`connection.json`, which `hearth serve` leaves in its data folder.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

FILE = "connection.json"


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    """`https://127.0.0.1:8700`, without `/v1`."""
    token: str
    ca: str | None = None
    """A PEM file with the authorities to trust; None for the system's."""


class Failure(Exception):
    """A command cannot go on. The message is what the user is told, `hint` what may help."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.hint = hint
        super().__init__(message)


def data_folder(data: Path | None = None) -> Path:
    return (data or Path(os.environ.get("HEARTH_DATA") or "hearth-data")).expanduser().absolute()


def find(data: Path | None = None) -> Connection:
    """The server to talk to; a folder named on the command line beats the environment. Raises Failure."""
    url, token = os.environ.get("HEARTH_URL"), os.environ.get("HEARTH_TOKEN")
    left = left_by_serve(data_folder(data))
    if data is not None and left is not None:
        return left
    if url and data is None:
        url = url.rstrip("/").removesuffix("/v1")
        same = left if left and left.url == url else None
        if not token and not same:
            raise Failure("HEARTH_URL is set, but HEARTH_TOKEN is not.", "export HEARTH_TOKEN=r8_…")
        ca = os.environ.get("HEARTH_CA") or (same.ca if same else None)
        return Connection(url=url, token=token or (same.token if same else ""), ca=ca)
    if left is None:
        raise Failure(
            f"No server found: nothing in {data_folder(data)}, and HEARTH_URL is not set.",
            "Start one with `hearth serve`, or run this where its hearth-data folder is (or pass --data).",
        )
    return msgspec.structs.replace(left, token=token) if token and not url else left


def leave(folder: Path, connection: Connection) -> None:
    """What `hearth serve` leaves for commands on this machine; readable by its user only."""
    path = folder / FILE
    temporary = path.with_suffix(".tmp")
    temporary.touch(mode=0o600)
    temporary.write_bytes(msgspec.json.encode(connection))
    temporary.replace(path)


def left_by_serve(folder: Path) -> Connection | None:
    """What the latest `hearth serve` on this folder left, if anything."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Connection)
    except (OSError, msgspec.DecodeError):
        return None


class Client:
    """Calls the API; answers other than 2xx become Failures that repeat what the server said."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        verify: ssl.SSLContext | bool = True
        if connection.ca:
            verify = ssl.create_default_context(cafile=connection.ca)
        self._http = httpx.Client(
            base_url=connection.url + "/v1/",
            headers={"Authorization": f"Bearer {connection.token}", "User-Agent": "hearth-cli"},
            verify=verify,
            timeout=httpx.Timeout(60.0, connect=5.0),
            trust_env=False,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The decoded answer, None for an empty one."""
        response = self._send(method, path, **options)
        return response.json() if response.content else None

    def pages(self, path: str, limit: int, **params: Any) -> Iterator[Any]:
        """Up to `limit` results, following `next`."""
        url: str | None = path
        while url and limit > 0:
            page = self.call("GET", url, params=params or None)
            for item in page["results"][:limit]:
                limit -= 1
                yield item
            url, params = page.get("next"), {}

    def download(self, url: str, target: Path) -> None:
        """Write the bytes behind an absolute URL (or data URI) to a file."""
        try:
            with self._http.stream("GET", url) as response, target.open("wb") as out:
                _raise_for(response)
                for chunk in response.iter_bytes():
                    out.write(chunk)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def events(self, path: str, last_id: str | None = None) -> Iterator[tuple[str, str, str]]:
        """Server-sent events as (event, id, data), comments left out."""
        headers = {"Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        try:
            with self._http.stream("GET", path, headers=headers) as response:
                _raise_for(response)
                yield from _parse(response.iter_lines())
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        _raise_for(response)
        return response

    def _unreachable(self, error: httpx.TransportError) -> Failure:
        return Failure(
            f"The server at {self.connection.url} does not answer: {error or type(error).__name__}",
            "Is `hearth serve` running? `hearth doctor` looks for the cause.",
        )


def _raise_for(response: httpx.Response) -> None:
    if response.is_success:
        return
    response.read()
    try:
        body = response.json()
    except json.JSONDecodeError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    title, detail = body.get("title"), body.get("detail") or response.text[:500]
    message = f"{title}: {detail}" if title and title not in str(detail) else str(detail)
    raise Failure(message.strip() or f"The server answered {response.status_code}.", body.get("hint"))


def _parse(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    event, id_ = "message", ""
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield event, id_, "\n".join(data)
            event, data = "message", []
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                event = value
            elif field == "id":
                id_ = value
            elif field == "data":
                data.append(value)
