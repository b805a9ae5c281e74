"""Downloads and webhooks over aiohttp, under the address policy."""

from __future__ import annotations

import asyncio
import errno
import ssl
from pathlib import Path
from urllib.parse import unquote

import aiohttp
from aiohttp import ClientResponse, ClientSession, ClientTimeout
from yarl import URL

from hearth.domain import media
from hearth.errors import FetchFailed, TooLarge
from hearth.net import data_uri
from hearth.net.address import AddressPolicy
from hearth.net.base import Fetched, Reply
from hearth.net.guard import Lookup, guarded_session, parse_url, proxied_session, proxy_for, shown
from hearth.net.landing import Landing
from hearth.threads import in_thread

MAX_REDIRECTS = 5
CONNECT_TIMEOUT = 10.0
IDLE_TIMEOUT = 30.0
"""Seconds without a byte."""
POST_TIMEOUT = 10.0
"""Seconds for a whole webhook, name lookup to answer: receivers are told to answer within a few."""
REPLY_LIMIT = 64 * 1024
"""Bytes of a webhook's answer that are read, so that the connection can serve the next one."""
WRITE = 1024 * 1024
"""Bytes gathered before a write to disk."""
_NETWORK = (aiohttp.ClientError, TimeoutError, ConnectionError)
"""Not every OSError: a disk that is full is not the URL's fault."""
_REDIRECTS = frozenset((301, 302, 303, 307, 308))


class HttpFetcher:
    """Downloads `http(s)` and `data:` URLs. Close it when done.

    With `trust_env` the proxy variables of the environment are used, and what a proxy connects to is the
    proxy's business: the policy then sees only addresses and names written in URLs.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        trust_env: bool = False,
        tls: ssl.SSLContext | None = None,
        lookup: Lookup | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        idle_timeout: float = IDLE_TIMEOUT,
    ) -> None:
        self._policy, self._trust_env, self._lookup = policy, trust_env, lookup
        self._tls = tls or ssl.create_default_context()  # the system's store, or SSL_CERT_FILE
        self._connect, self._idle = connect_timeout, idle_timeout
        self._direct: ClientSession | None = None
        self._proxied: ClientSession | None = None

    async def fetch(self, url: str, folder: Path, limit: int) -> Fetched:
        scheme = url[:8].partition(":")[0].lower()
        if scheme == "data":
            return await in_thread(_decode, url, folder, limit)
        if scheme not in ("http", "https"):
            raise FetchFailed(f"{shown(url)[:80]!r} is no URL that can be read: expected http, https or data.")
        try:
            return await self._download(url, folder, limit)
        except _NETWORK as error:
            if not _was_reset(error):
                raise FetchFailed(self._cause(error, url)) from error
        try:
            return await self._download(url, folder, limit)
        except _NETWORK as error:
            raise FetchFailed(self._cause(error, url)) from error

    async def close(self) -> None:
        for session in (self._direct, self._proxied):
            if session is not None:
                await session.close()

    async def _download(self, text: str, folder: Path, limit: int) -> Fetched:
        url = first = _parsed(text)
        for _ in range(MAX_REDIRECTS + 1):
            self._policy.check_host(url.host or "")
            async with await self._get(url) as response:
                if response.status in _REDIRECTS and "Location" in response.headers:
                    url = _redirected(url, response.headers["Location"])
                    continue
                if response.status != 200:
                    raise FetchFailed(f"{response.status} {response.reason or ''}".strip() + f" from {shown(url)}")
                return await self._store(response, _name(response, first, url), folder, limit)
        raise FetchFailed(f"More than {MAX_REDIRECTS} redirects from {shown(first)}")

    async def _get(self, url: URL) -> ClientResponse:
        proxy = proxy_for(url) if self._trust_env else None
        timeout = ClientTimeout(total=None, connect=None, sock_connect=self._connect, sock_read=self._idle)
        if proxy is None:
            if self._direct is None:
                self._direct = guarded_session(self._policy, timeout, tls=self._tls, lookup=self._lookup)
            session = self._direct
        else:
            if self._proxied is None:
                self._proxied = proxied_session(timeout, tls=self._tls)
            session = self._proxied
        # a file is wanted as it is stored; what is compressed all the same counts with its real size
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        return await session.get(url, headers=headers, allow_redirects=False, proxy=proxy)

    async def _store(self, response: ClientResponse, name: str, folder: Path, limit: int) -> Fetched:
        if (announced := response.content_length) is not None and announced > limit:
            raise TooLarge(f"This file has {announced} bytes; the limit is {limit}.")
        given = response.content_type if "Content-Type" in response.headers else None
        landing = Landing(folder, limit)
        try:
            await in_thread(landing.open)
            gathered = bytearray()
            async for chunk in response.content.iter_any():
                gathered += chunk
                if len(gathered) >= WRITE:
                    await in_thread(landing.write, bytes(gathered))
                    gathered.clear()
            await in_thread(landing.write, bytes(gathered))
            return await in_thread(landing.finish, name, given)
        finally:
            await in_thread(landing.discard)

    def _cause(self, error: Exception, url: str) -> str:
        return _cause(error, url, self._connect, self._idle)


class HttpSender:
    """Posts webhooks. Close it when done."""

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        tls: ssl.SSLContext | None = None,
        lookup: Lookup | None = None,
        timeout: float = POST_TIMEOUT,
    ) -> None:
        self._policy, self._lookup, self._timeout = policy, lookup, timeout
        self._tls = tls or ssl.create_default_context()
        self._session: ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Reply:
        loop = asyncio.get_running_loop()
        began = loop.time()
        target = _parsed(url)
        self._policy.check_host(target.host or "")
        if self._session is None:
            timeout = ClientTimeout(total=self._timeout)
            # How many at once is the caller's to limit: waiting for a connection would count as the receiver's time.
            self._session = guarded_session(self._policy, timeout, tls=self._tls, lookup=self._lookup, most=0)
        try:
            async with self._session.post(target, data=body, headers=headers, allow_redirects=False) as response:
                await _drain(response)
                return Reply(status=response.status, duration=loop.time() - began)
        except _NETWORK as error:
            raise FetchFailed(_cause(error, url, self._timeout, self._timeout)) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _drain(response: ClientResponse) -> None:
    """Read a small answer to its end, and hang up on a large one."""
    read = 0
    async for chunk in response.content.iter_any():
        read += len(chunk)
        if read > REPLY_LIMIT:
            response.close()
            return


def _decode(uri: str, folder: Path, limit: int) -> Fetched:
    parsed = data_uri.parse(uri)
    with Landing(folder, limit) as landing:
        for chunk in parsed.chunks(limit):
            landing.write(chunk)
        return landing.finish(parsed.name or "file", parsed.content_type)


def _parsed(text: str) -> URL:
    try:
        url = parse_url(text)
    except ValueError as error:
        raise FetchFailed(f"{shown(text)} is not a proper URL: {error}") from error
    if url.scheme not in ("http", "https"):
        raise FetchFailed(f"{shown(text)} is not an http or https URL.")
    return url


def _redirected(url: URL, location: str) -> URL:
    try:
        target = url.join(URL(location, encoded=location.isascii() and location.isprintable() and " " not in location))
    except ValueError as error:
        raise FetchFailed(f"{shown(url)} redirects to a URL that is not proper: {error}") from error
    if target.scheme not in ("http", "https") or not target.host:
        raise FetchFailed(f"{shown(url)} redirects to {shown(target)[:80]!r}, which is not an http or https URL.")
    return target


def _name(response: ClientResponse, first: URL, last: URL) -> str:
    """What the server calls the file; else the last segment of the URL asked for or, where only that has an
    extension, of the URL it led to."""
    disposition = response.content_disposition
    if disposition is not None and disposition.filename:
        return disposition.filename
    asked, led = (unquote(url.raw_path.rstrip("/").rpartition("/")[2]) for url in (first, last))
    return led if media.extension_of(led) and not media.extension_of(asked) else asked


def _was_reset(error: Exception) -> bool:
    """Did the connection break, rather than never come about?"""
    if isinstance(error, aiohttp.ClientConnectorError | TimeoutError):
        return False
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError | ConnectionError):
        return True
    return isinstance(error, aiohttp.ClientOSError) and error.errno in (errno.ECONNRESET, errno.EPIPE)


def _cause(error: Exception, url: str, connect: float, idle: float) -> str:
    """One sentence: what went wrong, and with which URL."""
    where = shown(url)
    match error:
        case aiohttp.ConnectionTimeoutError():
            return f"No connection within {connect:g} s to {where}"
        case TimeoutError():
            return f"No answer within {idle:g} s from {where}"
        case aiohttp.ClientConnectorDNSError():
            return f"The name {error.host} could not be resolved, for {where}"
        case aiohttp.ClientConnectorCertificateError():
            return f"The TLS certificate was not accepted ({error.certificate_error}) from {where}"
        case aiohttp.ClientConnectorError():
            return f"Could not connect ({error.strerror or error.os_error}) to {where}"
        case aiohttp.InvalidURL():
            return f"Not a proper URL: {where}"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | ConnectionError():
            return f"The connection broke before the end, reading {where}"
        case _:
            return f"{type(error).__name__}: {error}, reading {where}"
