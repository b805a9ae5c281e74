"""`hearth simulate`: a trace of arrivals, played through this Hearth's own scheduler in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from hearth.cli.connection import Client, Failure, find
from hearth.cli.options import Data, Json
from hearth.cli.output import out, show_json, table
from hearth.settings import Settings

if TYPE_CHECKING:
    from hearth.simulation import Report, Trace

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def _bytes(text: str) -> int:
    """`16GB`, or bytes."""
    number = text.upper().rstrip("BKMGT")
    unit = _UNITS.get(text.upper()[len(number) :])
    if unit is None:
        raise ValueError("write memory like 16GB")
    return round(float(number) * unit)


SETTABLE: dict[str, Callable[[str], int | float]] = {
    "idle_timeout": float,
    "max_instances": int,
    "max_instances_per_version": int,
    "memory": _bytes,
}


def simulate(
    trace: Annotated[
        Path, typer.Argument(metavar="TRACE", help="A trace: JSON lines. Written by --record and --make.")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help=f"A variant to compare, like 'idle_timeout=60 memory=16GB': {', '.join(SETTABLE)}."),
    ] = None,
    record: Annotated[
        int | None, typer.Option(help="First write the trace, of your latest predictions on the server: how many.")
    ] = None,
    make: Annotated[str | None, typer.Option(help="First write the trace, made up: zipf, poisson or bursty.")] = None,
    arrivals: Annotated[int, typer.Option(min=1, help="With --make: how many predictions.")] = 1000,
    rate: Annotated[float, typer.Option(min=0.001, help="With --make: how many a second, on average.")] = 1.0,
    models: Annotated[int, typer.Option(min=1, help="With --make: of how many models.")] = 10,
    seed: Annotated[int, typer.Option(help="With --make: another seed, another trace.")] = 1,
    json: Json = False,
    data: Data = None,
) -> None:
    """Play a trace of arrivals through the scheduler in virtual time: waits, boots, evictions, memory."""
    from hearth.simulation import TraceInvalid, read, replay, write
    from hearth.simulation.virtual import Stuck

    if record is not None:
        write(trace, _recorded(record, data))
    elif make is not None:
        write(trace, _made(make, arrivals=arrivals, rate=rate, models=models, seed=seed))
    plain = Settings()
    usual = {name: value for name in SETTABLE if (value := getattr(plain, name)) is not None}
    variants = [("defaults", usual)] + [(text, {**usual, **_settings(text)}) for text in settings or ()]
    try:
        played = read(trace)
        reports = [(name, replay(played, options)) for name, options in variants]
    except (OSError, TraceInvalid, Stuck) as error:
        raise Failure(str(error), "Make one: hearth simulate trace.jsonl --make zipf") from error
    if json:
        show_json([{"settings": name, **msgspec.structs.asdict(report)} for name, report in reports])
        return
    _show(reports)


def _show(reports: list[tuple[str, Report]]) -> None:
    rows = [
        (
            name,
            *(f"{seconds:.2f}" for seconds in (r.wait_p50, r.wait_p95, r.wait_p99)),
            f"{r.hit_rate:.0%}",
            r.boots,
            r.evictions + r.takeovers,
            f"{r.instance_seconds:.0f}",
            f"{r.memory_seconds / 1e9:.0f}",
            f"{r.busy:.0%}",
        )
        for name, r in reports
    ]
    columns = ("SETTINGS", "WAIT P50", "P95", "P99", "HITS", "BOOTS", "EVICTED", "INSTANCE S", "GB S", "BUSY")
    table(columns, rows, "Nothing was simulated.")
    arrivals, lasted = reports[0][1].arrivals, reports[0][1].lasted
    out.print(f"{arrivals} predictions in {lasted:.0f} simulated seconds. Waits are seconds until the run starts.")


def _settings(text: str) -> dict[str, Any]:
    """Raises Failure."""
    found: dict[str, Any] = {}
    for part in text.replace(",", " ").split():
        name, sign, value = part.partition("=")
        read = SETTABLE.get(name)
        if read is None or not sign:
            raise Failure(
                f"--set {part!r}: cannot be simulated.", f"Use NAME=NUMBER with one of {', '.join(SETTABLE)}."
            )
        try:
            found[name] = read(value)
        except ValueError as error:
            raise Failure(f"--set {part!r}: {error}.") from error
        if found[name] <= 0:
            raise Failure(f"--set {part!r}: must be more than 0.")
    return found


def _made(kind: str, **numbers: Any) -> Trace:
    """Raises Failure."""
    from hearth import simulation

    makers = {"zipf": simulation.zipf, "poisson": simulation.poisson, "bursty": simulation.bursty}
    if kind not in makers:
        raise Failure(f"--make {kind}: there is no such kind of trace.", f"Use one of {', '.join(makers)}.")
    return makers[kind](**numbers)


def _recorded(count: int, data: Path | None) -> Trace:
    """Of the caller's latest predictions that have run; boots and memory as instances have shown them lately."""
    from hearth.simulation import Arrival, Facts, Trace

    with Client(find(data)) as client:
        ran = [p for p in client.pages("predictions", count) if p.get("started_at") and p.get("completed_at")]
        instances = client.call("GET", "admin/instances")["results"]
    if not ran:
        raise Failure("There are no predictions that have run.", "Run some, or make a trace up: --make zipf")
    first = min(_at(p["created_at"]) for p in ran)
    known = {i["version"]: i for i in instances}
    facts: dict[str, Facts] = {}
    arrivals: list[Arrival] = []
    for p in ran:
        name = f"{p['model']}:{p['version'][:12]}"
        seen = known.get(p["version"], {})
        facts.setdefault(
            name,
            Facts(
                model=name,
                boot=seen.get("boot_seconds") or Facts(model=name).boot,
                memory=seen.get("reserved") or seen.get("memory") or 0,
                slots=seen.get("slots") or 1,
            ),
        )
        run = _at(p["completed_at"]) - _at(p["started_at"])
        arrivals.append(Arrival(at=round(_at(p["created_at"]) - first, 3), model=name, run=round(run, 3)))
    return Trace(models=tuple(facts.values()), arrivals=tuple(sorted(arrivals, key=lambda a: a.at)))


def _at(iso: str) -> float:
    return datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp()
