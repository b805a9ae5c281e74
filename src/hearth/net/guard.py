"""HTTP connections that go only where the address policy allows.

Names are resolved here, and the addresses that come out are the ones connected to, so a name cannot answer
one thing to the check and another to the connection (DNS rebinding). The socket factory asks the policy once
more for the very address that is about to be dialled; it also sees addresses written as URLs.
"""

from __future__ import annotations

import socket
import ssl
import urllib.request
from collections.abc import Awaitable, Callable

from aiohttp import AddrInfoType, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from hearth.errors import AddressRefused
from hearth.net.address import AddressPolicy

USER_AGENT = "hearth"

Lookup = Callable[[str, int, socket.AddressFamily], Awaitable[list[ResolveResult]]]
"""A name and a port to addresses; raises OSError."""


class GuardedResolver(AbstractResolver):
    """Keeps the addresses that the policy allows. Raises AddressRefused where none is left."""

    def __init__(self, policy: AddressPolicy, lookup: Lookup | None = None) -> None:
        self._policy = policy
        self._lookup = lookup or ThreadedResolver().resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self._policy.check_host(host)
        allowed: list[ResolveResult] = []
        refusal: AddressRefused | None = None
        for answer in await self._lookup(host, port, family):
            try:
                self._policy.check(answer["host"])
            except AddressRefused as error:
                refusal = AddressRefused(f"{host} leads to {error.message}")
            else:
                allowed.append(answer)
        if not allowed and refusal is not None:
            raise refusal
        return allowed

    async def close(self) -> None:
        """Nothing is held."""


def guarded_session(
    policy: AddressPolicy,
    timeout: ClientTimeout,
    *,
    tls: ssl.SSLContext,
    lookup: Lookup | None = None,
    most: int = 100,
) -> ClientSession:
    """A session without cookies, proxies or credentials from the environment, with at most so many connections (0:
    any number). Needs a running loop."""

    def dial(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        policy.check(str(address[0]))
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    connector = TCPConnector(resolver=GuardedResolver(policy, lookup), socket_factory=dial, ssl=tls, limit=most)
    return _session(connector, timeout)


def proxied_session(timeout: ClientTimeout, *, tls: ssl.SSLContext) -> ClientSession:
    """For requests that name a proxy: it resolves and connects, so its rules are the address policy."""
    return _session(TCPConnector(ssl=tls), timeout)


def _session(connector: TCPConnector, timeout: ClientTimeout) -> ClientSession:
    return ClientSession(
        connector=connector,
        timeout=timeout,
        cookie_jar=DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        trust_env=False,  # aiohttp would read ~/.netrc as well and send what it finds
    )


def proxy_for(url: URL) -> URL | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name for this URL."""
    address = urllib.request.getproxies().get(url.scheme)
    if not address or urllib.request.proxy_bypass(url.host or ""):
        return None
    return URL(address)


def parse_url(text: str) -> URL:
    """Raises ValueError. Visible ASCII is sent as it was written: signed URLs do not survive requoting."""
    url = URL(text, encoded=text.isascii() and text.isprintable() and " " not in text)
    if not url.host:
        raise ValueError("it names no host")
    return url


def shown(url: str | URL) -> str:
    """A URL for messages: no password, no query (signatures and tokens live there), 200 characters at most."""
    text = str(url)
    bare = text.partition("#")[0].partition("?")[0]
    scheme, separator, rest = bare.partition("://")
    host, slash, path = rest.partition("/")
    bare = f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}" if separator else bare
    return bare if len(bare) <= 200 else f"{bare[:197]}…"
