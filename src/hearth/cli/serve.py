"""`hearth serve`: the platform, in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hearth.cli.connection import Connection, Failure, leave, left_by_serve
from hearth.cli.output import err
from hearth.settings import SettingsInvalid, load


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (default 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (default 8700; 0 picks one).")] = None,
    data: Annotated[Path | None, typer.Option(help="Where everything is kept (default ./hearth-data).")] = None,
    tls: Annotated[
        bool | None,
        typer.Option("--tls/--no-tls", help="https with a local authority (default), or plain http."),
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="text or json.")] = None,
) -> None:
    """Start the platform and leave it running until Ctrl-C."""
    from hearth import compose, server  # pulls in every adapter: only this command pays for it

    flags = {"host": host, "port": port, "data": data, "tls": tls, "log_level": log_level, "log_format": log_format}
    try:
        settings = load(flags)
    except SettingsInvalid as error:
        raise Failure(str(error)) from error

    before = left_by_serve(settings.data)

    def ready(started: server.Started) -> None:
        token = started.token or (before.token if before else "")
        leave(settings.data, Connection(url=started.url, token=token, ca=started.ca))
        if started.new_token:
            err.print(f"Account {started.username}, token (shown once): {started.new_token}", markup=False)
        flag = "" if data is None else f" --data {data}"
        if started.setup:
            err.print(f"In a browser, once, as {started.username}: {started.setup}", markup=False, soft_wrap=True)
        err.print(f'In another terminal: eval "$(hearth env{flag})"', markup=False)
        err.print(f"[bold]Hearth is ready at {started.url}[/bold]")

    try:
        server.serve(settings, ready, need_token=before is None or not before.token)
    except compose.CannotStart as error:
        raise Failure(str(error), error.hint) from error
