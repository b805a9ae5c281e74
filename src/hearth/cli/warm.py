"""`warm`, for models and for deployments: what is kept ready and when, how long idle ones stay, how many may wait."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hearth.cli.connection import Client, Failure
from hearth.cli.output import err, show_json

Schedule = Annotated[
    str | None, typer.Option(help="When: 'weekdays 8-19', 'daily 7:30-9; sat,sun 10-14'. Default: always.")
]
Zone = Annotated[str | None, typer.Option("--timezone", help="Of the schedule: Europe/Berlin. Default: UTC.")]
Count = Annotated[int | None, typer.Option(min=0, help="Instances that are kept ready. Default: 1.")]
Idle = Annotated[
    float | None, typer.Option("--idle-timeout", help="Seconds that an idle instance stays, instead of the server's.")
]
Waiting = Annotated[
    int | None,
    typer.Option("--max-waiting", min=1, help="Predictions that may wait in line; more are refused with 429."),
]
Off = Annotated[bool, typer.Option("--off", help="Keep nothing warm any more.")]


def warm(
    client: Client,
    path: str,
    name: str,
    *,
    schedule: str | None,
    zone: str | None,
    count: int | None,
    idle: float | None,
    waiting: int | None,
    off: bool,
    json: bool,
    version: str | None = None,
) -> None:
    """Only an idle timeout or a cap: nothing is kept warm. Nothing at all: one instance, always."""
    if off:
        if any(value is not None for value in (schedule, zone, count, idle, waiting, version)):
            raise Failure("--off goes with nothing else.")
        client.call("DELETE", path)
        err.print(f"{name} is left to the server's own rules.")
        return
    if count is None:
        count = 1 if (idle is None and waiting is None) or schedule is not None else 0
    body: dict[str, Any] = {
        "warm": count,
        "schedule": schedule or "",
        "timezone": zone or "UTC",
        "version": version,
        "idle_timeout": idle,
        "max_waiting": waiting,
    }
    found = client.call("PUT", path, json=body)
    if json:
        show_json(found)
        return
    stays = "" if idle is None else f"; idle instances stay for {idle:g} s"
    most = "" if waiting is None else f"; at most {waiting} may wait"
    err.print(f"{name}: {found['because']}{stays}{most}", markup=False)
