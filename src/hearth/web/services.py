"""What the pages are given: the service objects they call and the settings they obey."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from hearth.bus.base import Bus
    from hearth.domain.batch import Batch
    from hearth.domain.prediction import Prediction
    from hearth.service.accounts import Accounts
    from hearth.service.admin import Admin
    from hearth.service.batches import Batches
    from hearth.service.collections import Collections
    from hearth.service.deployments import Deployments
    from hearth.service.examples import Examples
    from hearth.service.files import Files
    from hearth.service.history import History
    from hearth.service.limits import Limits
    from hearth.service.models import Models
    from hearth.service.monitoring import Monitoring
    from hearth.service.predictions import Predictions
    from hearth.service.scaling import Scalings
    from hearth.service.search import Search
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
    """The pages' share of `settings.Settings`, by the same names. Sizes are bytes."""

    public_url: str | None = None
    trust_proxy: bool = False
    max_file: int = 100 * 1024 * 1024


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
    files: Files
    accounts: Accounts
    sessions: Sessions
    sharing: Sharing
    showing: Showing
    signin: SignIn
    history: History
    limits: Limits
    usage: Usage
    monitoring: Monitoring
    scalings: Scalings
    admin: Admin
    batches: Batches
    timings: Timings
    tokens: Tokens
    bus: Bus
    render: Callable[[Prediction, str], Awaitable[bytes]]
    """A prediction as the API gives it, with addresses under an origin."""
    render_batch: Callable[[Batch, str], AsyncGenerator[bytes, None]]
    """The results of a batch as lines of JSON, likewise."""
    now: Callable[[], float]
    """Seconds since 1970."""
