"""Settings become wired parts here, and only here are adapters named."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any, NamedTuple

import msgspec
import prometheus_client

from hearth import handbook, keys
from hearth.api import batches
from hearth.api.app import Api, Options, Services, create_app
from hearth.api.metrics import Metrics
from hearth.api.shapes import Shapes
from hearth.api.wire import Wire, encode
from hearth.blobs.base import Blobs
from hearth.blobs.obstore import ObstoreBlobs
from hearth.bus.memory import MemoryBus
from hearth.clock import Clock, SystemClock
from hearth.cog.build import Environments
from hearth.domain.hardware import Device, Hardware, kind_of, offered, priced
from hearth.domain.prediction import Prediction, PredictionKind
from hearth.engine import Engine, EngineOptions
from hearth.net.address import AddressPolicy, parse_networks
from hearth.net.http import HttpFetcher, HttpSender
from hearth.policy.placement import Gpu, Machine
from hearth.policy.ratelimit import Rates
from hearth.runtime import devices
from hearth.runtime.build import CogBuilder
from hearth.runtime.limits import InstanceLimits, budget
from hearth.runtime.owner import Owner
from hearth.runtime.process import ProcessRuntime
from hearth.seal import Sealer
from hearth.service.accounts import Accounts
from hearth.service.admin import Admin
from hearth.service.batches import Batches
from hearth.service.collections import Collections
from hearth.service.deployments import Deployments
from hearth.service.examples import Examples
from hearth.service.files import Files
from hearth.service.history import History
from hearth.service.idempotency import Idempotency
from hearth.service.inputs import Inputs
from hearth.service.language import Language
from hearth.service.limits import Limits
from hearth.service.models import Models
from hearth.service.monitoring import Monitoring
from hearth.service.predictions import Predictions
from hearth.service.pushes import Pushes
from hearth.service.scaling import Scalings
from hearth.service.search import Search
from hearth.service.seeds import Seeds
from hearth.service.sessions import Sessions
from hearth.service.sharing import Sharing
from hearth.service.showing import Showing
from hearth.service.signin import SignIn
from hearth.service.streams import Streams
from hearth.service.timings import Timings
from hearth.service.tokens import Tokens
from hearth.service.trainings import Trainings
from hearth.service.usage import Usage
from hearth.service.versions import Resolver
from hearth.settings import HardwareSetting, Settings, rate_limits
from hearth.store.base import Store
from hearth.store.sqlite import SQLiteStore
from hearth.tokens.huggingface import HuggingFaceTokenizers
from hearth.web.app import Web
from hearth.web.services import Options as WebOptions
from hearth.web.services import Services as WebServices

log = logging.getLogger(__name__)


class CannotStart(Exception):
    """The server cannot run like this. The message says why, `hint` what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.hint = hint
        super().__init__(message)


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """A whole Hearth, started."""

    services: Services
    engine: Engine
    app: Api
    store: Store
    blobs: Blobs


class _Ground(NamedTuple):
    """What every other part stands on."""

    settings: Settings
    secrets: keys.Keys
    sealer: Sealer
    clock: Clock
    store: Store
    blobs: Blobs
    bus: MemoryBus


@contextlib.asynccontextmanager
async def assembled(settings: Settings) -> AsyncIterator[Parts]:
    """All parts, wired and running; on leaving, everything is handed back and closed, last opened first."""
    secrets = keys.ensure(settings.data, settings.secret_key)
    ground = _Ground(
        settings, secrets, Sealer(secrets.seal), SystemClock(), _store(settings), _blobs(settings), MemoryBus()
    )
    store = ground.store
    async with contextlib.AsyncExitStack() as stack:
        await store.open()
        stack.push_async_callback(store.close)
        policy = _policy(settings)
        fetcher, sender = HttpFetcher(policy), HttpSender(policy)
        stack.push_async_callback(sender.close)
        stack.push_async_callback(fetcher.close)
        given = {sku: _stated(setting) for sku, setting in settings.hardware.items()}
        found = await asyncio.to_thread(devices.detect)
        gpus = devices.visible(found, os.environ.get("CUDA_VISIBLE_DEVICES"))
        hardware = priced(offered([gpu for _, gpu in gpus] or found), given)
        await store.search.set_pages(await asyncio.to_thread(handbook.load, handbook.folder()))
        streams = Streams(store=store, bus=ground.bus, key=secrets.derive("streams"))
        wire = Wire(tokens=streams, shapes=Shapes(store.versions.get), show_aborted=settings.show_aborted)
        engine = _engine(ground, wire, fetcher, sender, hardware, gpus)
        services = _services(ground, wire, streams, engine, hardware)
        await engine.start()
        stack.push_async_callback(engine.stop)
        feeding = asyncio.create_task(services.batches.run(), name="batches")
        stack.push_async_callback(services.batches.close)
        stack.callback(feeding.cancel)
        if settings.database is not None:
            sharing = asyncio.create_task(services.limits.run(), name="rate limits")
            stack.callback(sharing.cancel)
        options = Options(**{name: getattr(settings, name) for name in Options.__struct_fields__})
        yield Parts(
            services=services,
            engine=engine,
            app=create_app(services, options=options, pages=_web(ground, services)),
            store=store,
            blobs=ground.blobs,
        )


def _engine(
    ground: _Ground,
    wire: Wire,
    fetcher: HttpFetcher,
    sender: HttpSender,
    hardware: Sequence[Hardware],
    gpus: Sequence[tuple[str, Device]],
) -> Engine:
    settings, environ = ground.settings, dict(os.environ)
    owner = Owner.of(settings.data / "run")
    environments = Environments(
        settings.data / "environments",
        environ=environ,
        markers=owner.markers,
        secrets=settings.build_secrets,
        install_system_packages=settings.install_system_packages,
        has_gpu=bool(gpus),
    )
    runtime = ProcessRuntime(
        settings.data / "run",
        environments,
        environ=environ,
        cache=settings.data / "cache",
        variables=settings.model_environment,
        owner=owner,
        zygote_after=settings.zygote_after,
        zygote_idle=settings.zygote_idle,
        limits=InstanceLimits(
            memory=settings.instance_memory or budget(settings.memory),
            cpus=settings.instance_cpus,
            file_size=settings.instance_file_size,
        ),
    )
    own = ("folder", "single", "hardware", "machine", "gpu_names")
    options = EngineOptions(
        folder=settings.data / "work",
        single=settings.database is None,
        hardware=tuple(known.sku for known in hardware),
        machine=_machine(settings, gpus),
        gpu_names=tuple(name for name, _ in gpus),
        **{
            name: getattr(settings, name)
            for name in EngineOptions.__struct_fields__
            if name in Settings.__struct_fields__ and name not in own
        },
    )
    engine = Engine(
        store=ground.store,
        blobs=ground.blobs,
        bus=ground.bus,
        runtime=runtime,
        builder=CogBuilder(environments, settings.data / "run"),
        fetcher=fetcher,
        sender=sender,
        sealer=ground.sealer,
        clock=ground.clock,
        render=wire.render,
        learn=wire.shapes.learn,
        environments=environments,
        options=options,
    )
    prometheus_client.ProcessCollector(registry=engine.metrics.registry)
    return engine


def _services(ground: _Ground, wire: Wire, streams: Streams, engine: Engine, hardware: Sequence[Hardware]) -> Services:
    settings, secrets, sealer, clock, store, blobs, bus = ground
    versions = Resolver(store=store, clock=clock)
    models = Models(
        store=store,
        blobs=blobs,
        bus=bus,
        versions=versions,
        clock=clock,
        hardware=hardware,
        max_models=settings.max_models,
    )
    inputs = Inputs(store=store, blobs=blobs, sealer=sealer, clock=clock, inline_limit=settings.inline_limit)
    predictions = Predictions(store=store, bus=bus, versions=versions, inputs=inputs, clock=clock, full=engine.full)
    sessions = Sessions(
        store=store,
        clock=clock,
        key=secrets.derive("sessions"),
        life=settings.session_life,
        ttl=60.0 if settings.database is None else 2.0,
    )
    accounts = Accounts(store=store, sealer=sealer, clock=clock, retention=settings.retention, changed=sessions.changed)
    deployments = Deployments(
        store=store,
        bus=bus,
        versions=versions,
        clock=clock,
        skus=lambda: [known.sku for known in hardware],
        quiet=settings.deployment_quiet,
    )
    files = Files(
        store=store,
        blobs=blobs,
        clock=clock,
        signing_key=secrets.derive("files"),
        max_file=settings.max_file,
        ttl=settings.upload_ttl,
    )
    seeds = Seeds(
        store=store,
        blobs=blobs,
        sealer=sealer,
        clock=clock,
        models=models,
        versions=versions,
        deployments=deployments,
    )

    async def ready() -> None:
        engine.ready()
        await store.ping()

    return Services(
        predictions=predictions,
        streams=streams,
        models=models,
        examples=Examples(store=store, models=models),
        collections=Collections(store=store, models=models, clock=clock),
        search=Search(store=store, models=models),
        deployments=deployments,
        trainings=Trainings(
            bus=bus, models=models, versions=versions, predictions=predictions, inputs=inputs, clock=clock
        ),
        scalings=Scalings(store=store, bus=bus, clock=clock, models=models, deployments=deployments),
        batches=Batches(
            store=store,
            blobs=blobs,
            bus=bus,
            clock=clock,
            versions=versions,
            predictions=predictions,
            single=settings.database is None,
        ),
        timings=Timings(store=store, hardware=hardware),
        tokens=Tokens(blobs=blobs, versions=versions, tokenizers=HuggingFaceTokenizers(), clock=clock),
        admin=Admin(store=store, bus=bus, clock=clock),
        pushes=Pushes(store=store, blobs=blobs, bus=bus, models=models, versions=versions, clock=clock),
        files=files,
        accounts=accounts,
        sessions=sessions,
        sharing=Sharing(store=store, blobs=blobs, models=models, predictions=predictions),
        showing=Showing(store=store, blobs=blobs, clock=clock, models=models),
        signin=SignIn(store=store, clock=clock, accounts=accounts, sessions=sessions),
        history=History(predictions=predictions),
        usage=Usage(store=store, clock=clock, hardware=hardware),
        monitoring=Monitoring(store=store, clock=clock, deployments=deployments),
        language=Language(versions=versions, deployments=deployments),
        limits=Limits(store=store, clock=clock, server=Rates(*rate_limits(settings.rate_limits))),
        idempotency=Idempotency(store=store, clock=clock),
        seeds=seeds,
        bus=bus,
        wire=wire,
        metrics=Metrics(engine.metrics.registry),
        ready=ready,
    )


def _web(ground: _Ground, services: Services) -> Web:
    shared = {name: getattr(services, name) for name in WebServices.__struct_fields__ if hasattr(services, name)}
    options = {name: getattr(ground.settings, name) for name in WebOptions.__struct_fields__}

    async def render(prediction: Prediction, origin: str) -> bytes:
        if prediction.kind is PredictionKind.TRAINING:
            return encode(services.wire.training(prediction, origin), origin)
        return encode(await services.wire.read(prediction, origin), origin)

    results = partial(batches.lines, services.batches)
    made = WebServices(**shared, render=render, render_batch=results, now=ground.clock.now)
    return Web(made, WebOptions(**options))


def _machine(settings: Settings, gpus: Sequence[tuple[str, Device]]) -> Machine:
    """What instances may take together."""
    return Machine(
        instances=settings.max_instances,
        memory=budget(settings.memory),
        most=settings.instance_memory,
        gpus=tuple(Gpu(index=n, sku=kind_of(gpu), memory=gpu.memory) for n, (_, gpu) in enumerate(gpus)),
    )


def _policy(settings: Settings) -> AddressPolicy:
    # Behind a proxy callers are elsewhere, whatever this server listens on.
    try:
        allowed = parse_networks(settings.allow_addresses)
    except ValueError as error:
        raise CannotStart(str(error)) from error
    local = _loopback(settings.host) and not settings.trust_proxy and settings.public_url is None
    return AddressPolicy(
        allow_loopback=local or settings.allow_private_addresses,
        allow_private=settings.allow_private_addresses,
        allow=allowed,
    )


def _stated(setting: HardwareSetting) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(setting).items() if value is not None}


def _store(settings: Settings) -> Store:
    if settings.database:
        if not settings.database.startswith(("postgresql://", "postgres://")):
            raise CannotStart("database: expected postgresql://…", "Leave it out for SQLite in the data folder.")
        try:
            from hearth.store.postgres import PostgresStore
        except ImportError as error:
            raise CannotStart(
                "PostgreSQL needs a driver that is not installed.", "pip install 'hearth[postgres]'"
            ) from error
        return PostgresStore(settings.database)
    return SQLiteStore(settings.data / "hearth.db")


def _blobs(settings: Settings) -> Blobs:
    if settings.blobs:
        if not settings.blobs.startswith("s3://"):
            raise CannotStart("blobs: expected s3://bucket/prefix", "Leave it out for a folder in the data folder.")
        options = {k.lower(): v for k, v in os.environ.items() if k.startswith("AWS_")}
        return ObstoreBlobs.s3(settings.blobs, **options)
    return ObstoreBlobs.local(settings.data / "blobs")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
