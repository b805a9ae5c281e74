"""What the API is given: the service objects it calls and the settings it obeys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from hearth.api.metrics import Metrics
    from hearth.api.wire import Wire
    from hearth.bus.base import Bus
    from hearth.service.accounts import Accounts
    from hearth.service.admin import Admin
    from hearth.service.batches import Batches
    from hearth.service.collections import Collections
    from hearth.service.deployments import Deployments
    from hearth.service.examples import Examples
    from hearth.service.files import Files
    from hearth.service.history import History
    from hearth.service.idempotency import Idempotency
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


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The API's share of `settings.Settings`, by the same names. Sizes are bytes."""

    public_url: str | None = None
    trust_proxy: bool = False
    max_body: int = 64 * 1024 * 1024
    max_file: int = 100 * 1024 * 1024
    data_uri_outputs: int = 20 * 1024 * 1024


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """The service objects, by noun. Made once, in `compose.py`."""

    predictions: Predictions
    streams: Streams
    models: Models
    examples: Examples
    collections: Collections
    search: Search
    deployments: Deployments
    trainings: Trainings
    batches: Batches
    timings: Timings
    tokens: Tokens
    scalings: Scalings
    admin: Admin
    pushes: Pushes
    files: Files
    accounts: Accounts
    sessions: Sessions
    sharing: Sharing
    showing: Showing
    signin: SignIn
    history: History
    usage: Usage
    monitoring: Monitoring
    language: Language
    limits: Limits
    idempotency: Idempotency
    seeds: Seeds
    bus: Bus
    wire: Wire
    metrics: Metrics
    ready: Callable[[], Awaitable[None]]
    """Raises Unavailable if the server cannot do its work now (`store.ping`)."""
