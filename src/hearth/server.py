"""The server: its socket and certificate, uvicorn around the parts, signals, and the order in which it all stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import uvicorn

from hearth import ids, logs, tls
from hearth.compose import CannotStart, assembled
from hearth.engine import Engine
from hearth.errors import HearthError
from hearth.gathering import Http
from hearth.service.sessions import SETUP_LIFE
from hearth.settings import Settings

log = logging.getLogger(__name__)


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller of `serve` learns once requests are answered."""

    url: str
    ca: str | None
    username: str
    token: str | None
    """A token that works, if this process knows one."""
    new_token: str | None
    """Made just now: to be shown once."""
    setup: str | None
    """The address that signs the first account's browser in, once; None when it has a password already."""


def serve(settings: Settings, ready: Callable[[Started], None], *, need_token: bool = False) -> None:
    """Run until SIGTERM or Ctrl-C. `need_token`: make one if none is known, for whoever owns the data folder
    owns the server. Raises CannotStart."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        logs.configure(settings.log_level, settings.log_format)
        listener = _listen(settings)
    except (OSError, ValueError) as error:
        raise CannotStart(str(error)) from error
    # A writer thread that waits for the interpreter while the loop is busy should not wait 5 ms for it.
    sys.setswitchinterval(0.001)
    try:
        _runner()(_serve(settings, listener, ready, need_token))
    except HearthError as error:
        raise CannotStart(error.message, error.hint) from error
    finally:
        listener.close()


def _runner() -> Callable[[Any], Any]:
    if sys.platform == "win32":
        return asyncio.run
    import uvloop

    return uvloop.run


async def _serve(
    settings: Settings, listener: socket.socket, ready: Callable[[Started], None], need_token: bool
) -> None:
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    shown = f"[{shown}]" if ":" in shown else shown
    files = tls.ensure(settings.data / "tls", [*settings.tls_names, shown]) if settings.tls else None
    async with assembled(settings) as parts:
        account, made = await parts.services.accounts.bootstrap(settings.bootstrap_user, settings.bootstrap_token)
        if need_token and made is None and settings.bootstrap_token is None:
            made = await parts.services.accounts.new_token(account, f"serve {ids.random32()[:6]}")
        code = None
        if not await parts.services.signin.has_password(account):
            code = (await parts.services.sessions.link(account, SETUP_LIFE)).code
        config = uvicorn.Config(
            parts.app,
            loop="none",
            http=Http,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=int(settings.drain_timeout) + 5,
            backlog=2048,
        )
        if files is not None:
            config.load()
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(files.cert, files.key)
            config.ssl = context
        server = _Server(config)
        loop = asyncio.get_running_loop()
        stopping, hurry = asyncio.Event(), asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, lambda: (hurry if stopping.is_set() else stopping).set())
        serving = asyncio.create_task(server.serve([listener]), name="http")
        stopped = asyncio.create_task(stopping.wait(), name="signals")
        up = asyncio.create_task(server.up.wait(), name="http is up")
        await asyncio.wait((serving, up), return_when=asyncio.FIRST_COMPLETED)
        url = f"{'https' if files else 'http'}://{shown}:{port}"
        ready(
            Started(
                url=url,
                ca=str(files.bundle) if files else None,
                username=account.username,
                token=made or settings.bootstrap_token,
                new_token=made,
                setup=f"{settings.public_url or url}/setup?code={code}" if code else None,
            )
        )
        await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            log.info("Stopping: no new work; what runs may finish.", extra={"action": "server.stopping"})
            # First what runs may end, so that held requests and streams get their answers; then the listener closes.
            server.should_exit = True
            await _drain(parts.engine, settings.drain_timeout, hurry)
            server.force_exit = hurry.is_set()
            parts.app.hang_up()  # streams of what went back in line would hold the server up
        stopped.cancel()
        await serving


async def _drain(engine: Engine, timeout: float, hurry: asyncio.Event) -> None:
    """Let what runs end; a second signal puts it back in line at once."""
    draining = asyncio.create_task(engine.drain(timeout), name="drain")
    hurried = asyncio.create_task(hurry.wait(), name="second signal")
    await asyncio.wait((draining, hurried), return_when=asyncio.FIRST_COMPLETED)
    if not draining.done():
        log.info("Stopping at once: what runs goes back in line.", extra={"action": "server.hurries"})
        await engine.drain(0)
    await draining
    hurried.cancel()


class _Server(uvicorn.Server):
    """uvicorn's server without its own signal handlers: stopping has an order of its own here."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


def _listen(settings: Settings) -> socket.socket:
    """The listening socket, bound before anything else starts, so that a taken port is found at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise CannotStart(
            f"Port {settings.port} on {settings.host} cannot be used: {error.strerror}.",
            "Another server may run there; choose one with --port.",
        ) from error
    listener.setblocking(False)
    return listener
