"""What was used, how it went, what there was; and what an account says of itself."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from hearth import ids
from hearth.domain.account import Account
from hearth.domain.hardware import Hardware
from hearth.domain.prediction import Phase, Prediction
from hearth.domain.sample import Sample, duration_class
from hearth.errors import InvalidRequest, NotFound
from hearth.service.accounts import Accounts
from hearth.service.deployments import Deployments
from hearth.service.history import LIMIT, History, Wanted
from hearth.service.monitoring import Monitoring, series
from hearth.service.usage import Usage, as_csv, day
from hearth.store.base import Change
from hearth.testing.clock import FakeClock

TODAY = date(2025, 6, 15)
"""The fake clock's."""


async def ended(hearth: Any, account: Account, at: float, seconds: float, **fields: Any) -> Prediction:
    prediction = Prediction(
        id=ids.sortable(), account_id=account.id, model=fields.pop("model", "root/m"),
        version="a" * 64, input={}, created_at=at, **fields,
    )  # fmt: skip
    await hearth.store.predictions.create(prediction, [])
    final = msgspec.structs.replace(prediction, phase=Phase.SUCCEEDED, started_at=at, completed_at=at + seconds)
    await hearth.store.predictions.record(Change(prediction=final))
    return final


# Usage


async def test_use_has_the_price_of_its_hardware(hearth: Any, root: Account, ann: Account) -> None:
    clock = FakeClock()
    usage = Usage(store=hearth.store, clock=clock, hardware=[Hardware(sku="cpu", name="CPU", price=0.5)])
    await ended(hearth, root, clock.now(), 4.0)
    await ended(hearth, root, clock.now() - 86_400, 2.0, model="root/n")
    await ended(hearth, ann, clock.now(), 1.0)
    report = await usage.report(root)
    assert (report.last, (report.last - report.first).days) == (TODAY, 29)
    assert [(line.used.model, line.cost) for line in report.lines] == [("root/m", 2.0), ("root/n", 1.0)]
    assert report.total == (2, 0, 6.0, 3.0)
    assert report.by(lambda used: used.hardware) == [("cpu", (2, 0, 6.0, 3.0))]
    days = report.by_day()
    assert len(days) == 30
    assert days[-1] == (TODAY, (1, 0, 4.0, 2.0))
    assert days[0][1].runs == 0
    assert as_csv(report).splitlines() == [
        "date,kind,model,deployment,hardware,count,failed,seconds,cost",
        "2025-06-15,prediction,root/m,,cpu,1,0,4.000,2.000000",
        "2025-06-14,prediction,root/n,,cpu,1,0,2.000,1.000000",
    ]
    alone = await usage.report(root, TODAY, TODAY)
    assert [line.used.model for line in alone.lines] == ["root/m"]


async def test_a_window_has_bounds(hearth: Any, root: Account) -> None:
    usage = Usage(store=hearth.store, clock=FakeClock(), hardware=[])
    for first, last in ((date(2025, 6, 2), date(2025, 6, 1)), (date(2020, 1, 1), date(2025, 1, 1))):
        with pytest.raises(InvalidRequest, match="from"):
            await usage.report(root, first, last)
    assert day("2025-02-03", "to") == date(2025, 2, 3)
    assert day("", "to") is None
    with pytest.raises(InvalidRequest, match="to: must be a day"):
        day("yesterday", "to")


# Series


def test_a_series_has_no_gaps() -> None:
    runs = {duration_class(1.0): 8, duration_class(10.0): 2}
    samples = [
        Sample(at=60.0, idle=1, succeeded=9, failed=1, runs=runs, totals=runs),
        Sample(at=60.0, processing=2, memory=5),
        Sample(at=240.0, waiting=4),
    ]
    found = series(samples, 0.0, 600.0, 300.0)
    first, second = found.points
    assert (first.at, first.ended, first.failed, first.idle, first.processing, first.waiting) == (0.0, 10, 1, 1, 2, 4)
    assert first.run_p50 == pytest.approx(1.0, rel=0.06)
    assert first.run_p95 == pytest.approx(10.0, rel=0.06)
    assert (second.at, second.ended, second.run_p50) == (300.0, 0, None)
    assert (found.whole.ended, found.whole.memory) == (10, 5)


async def test_a_deployment_sees_its_own_and_admins_the_server(hearth: Any, root: Account, ann: Account) -> None:
    clock = FakeClock()
    deployments = Deployments(
        store=hearth.store, bus=hearth.bus, versions=hearth.resolver, clock=clock, skus=lambda: ["cpu"]
    )
    model, _ = await hearth.version(ann, "m")
    bounds = {"hardware": "cpu", "min_instances": 0, "max_instances": 1}
    made = await deployments.create(ann, name="app", model=model.full_name, version="latest", **bounds)
    monitoring = Monitoring(store=hearth.store, clock=clock, deployments=deployments)
    now = clock.now() // 60 * 60
    await clock.advance(60)
    await hearth.store.samples.add("e", {made.full_name: Sample(at=now, succeeded=3), "": Sample(at=now, failed=7)})
    await hearth.store.samples.add("e", {made.full_name: Sample(at=now - 3600, succeeded=99)})  # an earlier "app"
    found = await monitoring.deployment(ann, "ann", "app")
    assert (found.step, len(found.points), found.whole.ended) == (300.0, 288, 3)
    fine = await monitoring.deployment(ann, "ann", "app", 2)
    assert (fine.step, len(fine.points)) == (60.0, 120)
    assert (await monitoring.server(root)).whole.failed == 7
    with pytest.raises(NotFound):
        await monitoring.server(ann)
    with pytest.raises(NotFound):
        await monitoring.deployment(root, "ann", "app")
    with pytest.raises(InvalidRequest):
        await monitoring.deployment(ann, "ann", "app", 25)


# Releases


async def test_releases_are_listed_and_rolled_back_to(hearth: Any, ann: Account, root: Account) -> None:
    deployments = Deployments(
        store=hearth.store, bus=hearth.bus, versions=hearth.resolver, clock=hearth.clock, skus=lambda: ["cpu"]
    )
    model, old = await hearth.version(ann, "m")
    bounds = {"hardware": "cpu", "min_instances": 0, "max_instances": 1}
    await deployments.create(ann, name="app", model=model.full_name, version="latest", **bounds)
    _, new = await hearth.version(ann, "m")
    await deployments.update(ann, "ann", "app", {"version": new.id, "max_instances": 3})
    back = await deployments.roll_back(ann, "ann", "app", 1)
    assert (back.current.number, back.current.version, back.current.max_instances) == (3, old.id, 1)
    releases = await deployments.releases(ann, "ann", "app")
    assert [(r.number, r.version) for r in releases] == [(3, old.id), (2, new.id), (1, old.id)]
    with pytest.raises(NotFound, match="no release 9"):
        await deployments.roll_back(ann, "ann", "app", 9)
    with pytest.raises(NotFound):
        await deployments.releases(root, "ann", "app")


# History


async def test_history_finds_what_is_asked_for(hearth: Any, root: Account) -> None:
    history = History(predictions=hearth.predictions)
    for number in range(5):
        await ended(hearth, root, 1000.0 + number, 1.0, model="root/a" if number % 2 else "root/b")
    await ended(hearth, root, 2000.0, 1.0, source="web", deployment="root/app")

    async def models(**wanted: Any) -> list[str]:
        return [p.model for p in (await history.page(root, wanted=Wanted(**wanted))).items]

    assert await models(model="root/a") == ["root/a"] * 2
    assert await models(model="root/") == ["root/m", *["root/b", "root/a"] * 2, "root/b"]
    assert await models(source="web") == ["root/m"]
    assert await models(deployment="root/app") == ["root/m"]
    assert await models(state="failed") == []
    assert len(await models(state="succeeded", created_before=1004.0)) == 4


async def test_history_goes_on_where_it_stopped(hearth: Any, root: Account, monkeypatch) -> None:
    monkeypatch.setattr("hearth.service.history._LOOKED_AT", 200)
    history, wanted = History(predictions=hearth.predictions), Wanted(model="root/rare")
    rare = {0, 3, 130, 299}
    for number in range(300):
        await ended(hearth, root, 1000.0 + number, 1.0, model="root/rare" if number in rare else "root/common")
    first = await history.page(root, wanted=wanted)
    assert [p.created_at for p in first.items] == [1299.0, 1130.0]
    second = await history.page(root, wanted=wanted, cursor=first.older)
    assert [p.created_at for p in second.items] == [1003.0, 1000.0]
    assert second.older is None
    pages, cursor = [], None
    while True:
        page = await history.page(root, wanted=Wanted(model="root/common"), cursor=cursor)
        pages.append(len(page.items))
        if (cursor := page.older) is None:
            break
    assert sum(pages) == 296
    assert max(pages) == LIMIT


# The account itself


async def test_an_account_changes_what_is_its_own(hearth: Any, ann: Account, root: Account) -> None:
    told: list[bool] = []
    accounts = Accounts(
        store=hearth.store, sealer=hearth.sealer, clock=hearth.clock, retention=100.0, changed=lambda: told.append(True)
    )
    token = await accounts.new_token(ann, "t")
    assert (await accounts.authenticate(token)).retention is None
    assert (await accounts.set_retention(ann, 50.0)).retention == 50.0
    assert (await accounts.authenticate(token)).retention == 50.0
    assert (await accounts.set_name(ann, " Ann Example ")).name == "Ann Example"
    before = await accounts.webhook_secret(ann)
    after = await accounts.rotate_webhook_secret(ann)
    assert before != after
    assert await accounts.webhook_secret(await accounts.authenticate(token)) == after
    assert len(told) == 3
    assert (await accounts.set_retention(ann, None)).retention is None
    for wrong in (-1.0, 101.0):
        with pytest.raises(InvalidRequest, match="retention"):
            await accounts.set_retention(ann, wrong)
    assert (await accounts.set_retention(root, 1e9)).retention == 1e9
    with pytest.raises(InvalidRequest):
        await accounts.set_name(ann, "x" * 101)
