from __future__ import annotations

import math
from typing import Any

import pytest

from hearth.bus.base import DeploymentChanged, NewPrediction
from hearth.domain.account import Account
from hearth.domain.deployment import Deployment
from hearth.domain.instance import InstanceState, InstanceView
from hearth.errors import Conflict, InvalidRequest, NotFound
from hearth.service.deployments import Deployments
from hearth.testing.clock import FakeClock


@pytest.fixture
def deployments(hearth: Any) -> Deployments:
    return Deployments(
        store=hearth.store,
        bus=hearth.bus,
        versions=hearth.resolver,
        clock=hearth.clock,
        skus=lambda: ["cpu", "gpu-t4"],
        quiet=900.0,
    )


async def create(deployments: Deployments, caller: Account, model: Any, **fields: Any) -> Deployment:
    defaults = {"name": "app", "version": "latest", "hardware": "cpu", "min_instances": 0, "max_instances": 2}
    return await deployments.create(caller, model=model.full_name, **{**defaults, **fields})


async def test_it_is_made_of_a_version_and_the_engine_hears_of_it(
    hearth: Any, engine: Any, root: Account, deployments: Deployments
) -> None:
    model, version = await hearth.version(root, "m")
    made = await create(deployments, root, model, name="root/app")
    assert (made.full_name, made.current.version, made.current.created_by) == ("root/app", version.id, "root")
    assert (await engine.heard(DeploymentChanged)).deployment_id == made.id
    assert await deployments.get(root, "root", "app") == made


async def test_a_prediction_goes_to_the_lane_of_the_serving_release(
    hearth: Any, engine: Any, root: Account, deployments: Deployments
) -> None:
    model, old = await hearth.version(root, "m")
    await create(deployments, root, model)
    _, new = await hearth.version(root, "m")
    rolling = await deployments.update(root, "root", "app", {"version": "latest"})
    assert (rolling.current.version, rolling.route.version) == (new.id, old.id)
    route = await deployments.route(root, "root", "app")
    made = await hearth.predictions.create(root, input={"prompt": "x"}, origin="http://h", deployment=route)
    assert (made.version, made.deployment, made.model) == (old.id, "root/app", "root/m")
    work = await engine.heard(NewPrediction)
    assert work.lane == rolling.lane(rolling.route)


async def test_a_version_may_carry_its_models_name(hearth: Any, root: Account, deployments: Deployments) -> None:
    model, old = await hearth.version(root, "m")
    _, new = await hearth.version(root, "m")
    _, strange = await hearth.version(root, "n")
    made = await create(deployments, root, model, version=f"root/m:{old.id}")
    assert (made.current.model, made.current.version) == ("root/m", old.id)
    for text in ("root/m:latest", "root/m"):
        assert (await deployments.update(root, "root", "app", {"version": text})).current.version == new.id
    for text in (f"root/n:{strange.id}", "root/n", f"root/m:{strange.id}", f"m:{old.id}"):
        with pytest.raises(InvalidRequest):
            await deployments.update(root, "root", "app", {"version": text})


async def test_every_wrong_field_is_named(hearth: Any, root: Account, deployments: Deployments) -> None:
    model, _ = await hearth.version(root, "m")
    wrong = {"name": "A", "hardware": "x", "min_instances": 9, "max_instances": 99, "version": "nope"}
    with pytest.raises(InvalidRequest) as refused:
        await create(deployments, root, model, **wrong)
    assert [error.pointer for error in refused.value.errors] == [
        "/name", "/hardware", "/min_instances", "/max_instances", "/version",
    ]  # fmt: skip
    assert "Your options are: cpu, gpu-t4" in refused.value.errors[1].detail
    assert (await deployments.page(root)).items == []


async def test_an_update_is_checked_against_what_stays(hearth: Any, root: Account, deployments: Deployments) -> None:
    model, _ = await hearth.version(root, "m")
    await create(deployments, root, model, min_instances=2)
    for fields, pointer in (
        ({"max_instances": 1}, "/max_instances"),
        ({"min_instances": 3}, "/min_instances"),
        ({"model": "root/other"}, "/model"),
        ({"version": "0" * 64}, "/version"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            await deployments.update(root, "root", "app", fields)
        assert [error.pointer for error in refused.value.errors] == [pointer]
    same = await deployments.update(root, "root", "app", {"model": "root/m"})
    assert same.current.number == 1


async def test_other_peoples_do_not_exist_but_their_public_models_can_be_deployed(
    hearth: Any, root: Account, deployments: Deployments
) -> None:
    guest = (await hearth.accounts.bootstrap("guest", None))[0]
    secret, _ = await hearth.version(root, "secret")
    shown, _ = await hearth.version(root, "shown", public=True)
    await create(deployments, root, secret)
    for call in (
        deployments.get(guest, "root", "app"),
        deployments.update(guest, "root", "app", {}),
        deployments.delete(guest, "root", "app"),
        deployments.route(guest, "root", "app"),
    ):
        with pytest.raises(NotFound):
            await call
    assert (await deployments.route(root, "root", "app")).full_name == "root/app"
    with pytest.raises(NotFound):
        await deployments.route(guest, "root", "app")
    with pytest.raises(InvalidRequest):
        await create(deployments, guest, secret)
    assert (await create(deployments, guest, shown)).full_name == "guest/app"
    with pytest.raises(Conflict):
        await create(deployments, guest, shown)


async def test_a_disabled_one_refuses_at_once(hearth: Any, root: Account, deployments: Deployments) -> None:
    model, _ = await hearth.version(root, "m")
    await create(deployments, root, model)
    await deployments.route(root, "root", "app")
    await deployments.update(root, "root", "app", {"max_instances": 0})
    with pytest.raises(Conflict, match="disabled"):
        await deployments.route(root, "root", "app")


async def test_it_is_deleted_when_it_is_offline_and_quiet(
    hearth: Any, engine: Any, root: Account, deployments: Deployments
) -> None:
    model, version = await hearth.version(root, "m")
    await create(deployments, root, model, min_instances=1)
    with pytest.raises(Conflict, match="keeps 1 instance"):
        await deployments.delete(root, "root", "app")
    await deployments.update(root, "root", "app", {"min_instances": 0})
    view = InstanceView(
        id="i", model="root/m", version=version.id, deployment="root/app", state=InstanceState.READY,
        because="", slots=1, busy=0, started_at=1.0,
    )  # fmt: skip
    hearth.bus.show([view])
    with pytest.raises(Conflict, match="it runs 1 instance"):
        await deployments.delete(root, "root", "app")
    hearth.bus.show([])
    route = await deployments.route(root, "root", "app")
    made = await hearth.predictions.create(root, input={"prompt": "x"}, origin="http://h", deployment=route)
    assert await hearth.store.deployments.last_used("root/app") == math.inf
    with pytest.raises(Conflict, match="have not ended"):
        await deployments.delete(root, "root", "app")
    engine.take(made)
    await engine.finish(made.id, "x")
    with pytest.raises(Conflict, match="offline and unused for 15 minutes; it can be in 15 minutes"):
        await deployments.delete(root, "root", "app")
    later = Deployments(
        store=hearth.store,
        bus=hearth.bus,
        versions=hearth.resolver,
        clock=FakeClock(hearth.clock.now() + 902),
        skus=lambda: ["cpu"],
    )
    await later.delete(root, "root", "app")
    with pytest.raises(NotFound):
        await deployments.get(root, "root", "app")
