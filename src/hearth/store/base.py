"""The store's port. Every method is one transaction; what it returns has been made durable.

Lists go newest first and are index walks. A cursor is a `(time, id)` position, so pages stay right while
rows come and go. Methods raise only errors of `hearth.errors` and the driver's own for a broken database.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from hearth.domain.account import Account, Token
from hearth.domain.catalog import Collection, DocPage, Findable, Hit, ModelOrder
from hearth.domain.deployment import Deployment, Release, ReleaseState
from hearth.domain.events import Event
from hearth.domain.file import File
from hearth.domain.limits import Once
from hearth.domain.model import Build, BuildState, Model, Removal, Version
from hearth.domain.prediction import Prediction, PredictionKind
from hearth.domain.webhook import Delivery
from hearth.store.batches import Batches
from hearth.store.boots import Boots
from hearth.store.breakdowns import Breakdowns
from hearth.store.footprints import Footprints
from hearth.store.garbage import Garbage
from hearth.store.limits import Idempotency, Rates
from hearth.store.outbox import Outbox
from hearth.store.pages import Cursor as Cursor
from hearth.store.pages import Page as Page
from hearth.store.scheduling import Decisions, Scalings
from hearth.store.sessions import Sessions
from hearth.store.usage import Samples, Usage


class Lease(NamedTuple):
    """Who works on a queued prediction, and until when that is believed without renewal."""

    owner: str
    until: float


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a prediction's life, recorded whole or not at all.

    Writes the row (output and logs only when the phase is terminal), appends the events as one segment,
    puts the deliveries in the outbox, and takes a terminal prediction out of the queue. A prediction
    that goes back to QUEUED stays in the queue under the same owner.
    """

    prediction: Prediction
    events: Sequence[Event] = ()
    deliveries: Sequence[Delivery] = ()
    owner: str | None = None
    """If set, the change applies only while this owner holds the lease."""
    version: Version | None = None
    """What a training made: added and made its model's latest; the file of its weights then lives as long as it."""
    soft: bool = False
    """Where that is quicker, it may reach the disk only with the next change that isn't soft. Until then it outlives
    this process, but perhaps no power cut."""


class Claim(NamedTuple):
    prediction: Prediction
    secrets: bytes | None
    """The sealed real values of secret inputs."""
    delivered: bool
    """Whether any output event is stored: then it must not run again."""


class Predictions(Protocol):
    ordered: bool
    """Whether writes apply in the order of the calls, so that `record` may follow an unfinished `create`."""

    def create(
        self,
        prediction: Prediction,
        events: Sequence[Event],
        *,
        lease: Lease | None = None,
        secrets: bytes | None = None,
        deliveries: Sequence[Delivery] = (),
        once: Once | None = None,
        linger: float = 0.0,
    ) -> Awaitable[None]:
        """Store row, queue entry and events, and count the model's run. Started by the call, not by awaiting it.

        With `once` the prediction is also what that key stands for; raises Conflict if the key is taken. With
        `linger` the write may wait so many seconds for another one to share its commit."""
        ...

    def record(self, change: Change) -> Awaitable[bool]:
        """Apply a change; False if the prediction is terminal, gone, or leased to somebody else."""
        ...

    async def get(self, id: str) -> Prediction | None: ...

    async def many(self, ids: Sequence[str]) -> dict[str, Prediction]:
        """Those that exist, by id."""
        ...

    async def delete(self, ids: Sequence[str]) -> None:
        """Rows, events, queue entries and deliveries; their files stay. For predictions that have ended."""
        ...

    async def events(self, id: str, after: int = -1) -> list[Event]:
        """Events with seq > after, in order."""
        ...

    async def page(
        self,
        account_id: str,
        kind: PredictionKind,
        *,
        limit: int = 100,
        cursor: Cursor | None = None,
        created_after: float | None = None,
        created_before: float | None = None,
        source: str | None = None,
    ) -> Page[Prediction]:
        """`created_after` is inclusive, `created_before` exclusive."""
        ...

    async def request_cancel(self, id: str, at: float) -> bool:
        """Note that somebody asked for the end; False if it is terminal, gone, or was asked before."""
        ...

    async def share(self, id: str, shared: bool) -> bool:
        """Whether whoever has the link may see it. The data of a shared one stays for ever, as an example's does;
        False if there is no such prediction."""
        ...

    async def shared(self, id: str) -> bool: ...

    async def scrub(self, now: float, limit: int, retention: float = 0.0) -> list[str]:
        """Remove input, output, logs and events of up to `limit` API predictions that ended more than their own
        `retention` ago, or `retention` where they have none; mark them `data_removed`; return their ids.

        Their files expire with them (`files.expired` then names them). Their webhook deliveries hold the same
        data and go too; while one is pending its prediction is left for a later sweep."""
        ...


class Queue(Protocol):
    async def claim(self, owner: str, now: float, until: float, limit: int) -> list[Claim]:
        """Lease entries that nobody holds or whose lease ran out, in the order in which they count as interactive
        (`domain.priority.matures`)."""
        ...

    async def renew(self, owner: str, until: float) -> int:
        """Extend all leases of an owner; how many it holds."""
        ...

    async def abandon(self, keep_owner: str | None = None) -> int:
        """Drop every lease but those of `keep_owner`. Only for a store with a single server."""
        ...

    async def cancels(self, owner: str) -> list[str]:
        """Leased predictions whose cancel was requested."""
        ...

    async def depth(self) -> dict[str, int]:
        """Waiting and running predictions by version id."""
        ...

    async def run_times(self, version_id: str, kind: PredictionKind) -> list[float]:
        """Seconds of the version's latest runs that succeeded, newest first, as `remember` was told."""
        ...

    async def remember(self, version_id: str, kind: PredictionKind, seconds: Sequence[float]) -> None:
        """Replace what `run_times` tells; nothing for a version that is gone."""
        ...


class Accounts(Protocol):
    async def create(self, account: Account) -> None:
        """Raises Conflict on a taken username."""
        ...

    async def get(self, id: str) -> Account | None: ...
    async def by_username(self, username: str) -> Account | None: ...
    async def by_token(self, hash: str) -> Account | None:
        """The account of an enabled token, with the token's ceiling."""
        ...

    async def count(self) -> int: ...
    async def update(self, id: str, fields: dict[str, Any]) -> Account | None:
        """Set the named fields; raises ValueError for one that may not change."""
        ...

    async def page(self, *, limit: int = 100, cursor: Cursor | None = None) -> Page[Account]: ...
    async def add_token(self, token: Token) -> None: ...
    async def tokens(self, account_id: str) -> list[Token]: ...
    async def disable_token(self, account_id: str, name: str, at: float) -> bool: ...


class Models(Protocol):
    async def create(self, model: Model) -> None:
        """Raises Conflict on a taken owner/name."""
        ...

    async def get(self, owner: str, name: str) -> Model | None: ...
    async def update(self, id: str, fields: dict[str, Any]) -> Model | None:
        """Set the named fields; raises ValueError for one that is not a column."""
        ...

    async def delete(self, id: str, *, unused: bool = False) -> bool:
        """With its versions; if `unused`, only a model that has none."""
        ...

    async def many(self, ids: Sequence[str]) -> dict[str, Model]:
        """Those that exist, by id."""
        ...

    async def count(self, account_id: str, limit: int) -> int:
        """How many an account has; counting ends at `limit`."""
        ...

    async def page(
        self,
        *,
        account_id: str | None = None,
        limit: int = 25,
        cursor: Cursor | None = None,
    ) -> Page[Model]:
        """All models of an account, or all public ones, newest first."""
        ...

    async def shown(
        self,
        by: ModelOrder = ModelOrder.PUSHED,
        *,
        ascending: bool = False,
        limit: int = 25,
        cursor: Cursor | None = None,
    ) -> Page[Model]:
        """The public models that have a version and an example."""
        ...


class VersionUses(NamedTuple):
    """What keeps a version from being deleted."""

    by_others: bool
    """Another account than the owner's has run it."""
    by_trainings: bool
    """It is the base of one."""
    by_deployments: bool
    """One has it in its newest release, or in the one that takes traffic."""


class Versions(Protocol):
    async def add(self, version: Version) -> bool:
        """Store it and make it the model's latest; False if this id exists already (it then becomes latest).
        A removal of this version that is under way ends where it is."""
        ...

    async def get(self, id: str) -> Version | None: ...
    async def many(self, ids: Sequence[str]) -> dict[str, Version]:
        """Those that exist, by id."""
        ...

    async def uses(self, id: str, owner_id: str) -> VersionUses: ...
    async def delete(self, id: str, at: float) -> bool:
        """Take it away, with its examples, and note that what is left of it is to be removed. The model's latest
        version and default example are chosen anew. False if there is no such version."""
        ...

    async def page(self, model_id: str, *, limit: int = 25, cursor: Cursor | None = None) -> Page[Version]: ...
    async def latest_visible(self, account_id: str) -> list[tuple[Model, Version]]:
        """The latest version of every model this account may run."""
        ...


class Removals(Protocol):
    """What is left of deleted versions, to be taken away in steps."""

    async def pending(self, limit: int) -> list[Removal]: ...
    async def predictions(self, version_id: str, limit: int) -> list[tuple[str, bool]]:
        """Up to `limit` predictions of a version, and whether each has ended; ended ones first."""
        ...

    async def done(self, version_id: str) -> None:
        """Nothing is left."""
        ...


class Examples(Protocol):
    """Predictions that models show. The oldest one is the default. A prediction whose source is `example` becomes
    one by itself when it is recorded as succeeded, in place of those of earlier pushes."""

    async def add(self, prediction_id: str, uploads: Sequence[str] = ()) -> bool:
        """Keep the prediction, its files, and these uploads of its owner, for good; False if it or its version is
        gone. An upload becomes a file of the prediction. Adding one again changes nothing."""
        ...

    async def remove(self, prediction_id: str) -> bool:
        """It is kept no longer than others; False if it is none."""
        ...

    async def model_of(self, prediction_id: str) -> str | None:
        """The id of the model that shows it."""
        ...

    async def page(self, model_id: str, *, limit: int = 25, cursor: Cursor | None = None) -> Page[Prediction]:
        """The default one first."""
        ...


class Collections(Protocol):
    async def create(self, collection: Collection) -> None:
        """Raises Conflict on a taken slug."""
        ...

    async def update(self, slug: str, fields: dict[str, Any]) -> Collection | None:
        """Set the named fields; raises ValueError for one that cannot change."""
        ...

    async def delete(self, slug: str) -> bool: ...
    async def get(self, slug: str) -> Collection | None: ...
    async def page(self, *, limit: int = 100, cursor: Cursor | None = None) -> Page[Collection]: ...
    async def add(self, slug: str, model_id: str) -> bool:
        """Behind the others; False if it is in already. Raises Conflict for a collection or model that is gone."""
        ...

    async def remove(self, slug: str, model_id: str) -> bool: ...
    async def models(self, slug: str) -> list[Model]:
        """All of them, in order."""
        ...


class Search(Protocol):
    async def find(self, kind: Findable, words: Sequence[str], *, account_id: str, limit: int) -> list[Hit]:
        """What holds all the words (`domain.search.words`) or begins so, best first; then what is spelled alike.
        Of models, the public ones and the account's own."""
        ...

    async def set_pages(self, pages: Sequence[DocPage]) -> None:
        """These are all pages there are."""
        ...


class Builds(Protocol):
    async def create(self, build: Build) -> None: ...
    async def get(self, id: str) -> Build | None: ...
    async def move(
        self,
        id: str,
        state: BuildState,
        *,
        at: float,
        version_id: str | None = None,
        error: str | None = None,
        hint: str | None = None,
    ) -> bool:
        """False if it is terminal already."""
        ...

    async def pending(self) -> list[Build]:
        """Queued and running builds, oldest first."""
        ...

    async def append_log(self, id: str, text: str) -> None: ...
    async def log(self, id: str) -> str: ...


class Files(Protocol):
    async def add(self, file: File) -> None: ...
    async def get(self, id: str) -> File | None: ...
    async def page(self, account_id: str, *, limit: int = 100, cursor: Cursor | None = None) -> Page[File]:
        """Uploads of an account."""
        ...

    async def delete(self, ids: Sequence[str]) -> int: ...
    async def expired(self, now: float, limit: int) -> list[File]: ...
    async def of_predictions(self, ids: Sequence[str]) -> list[File]: ...


class Deployments(Protocol):
    async def create(self, deployment: Deployment) -> None:
        """With its first release. Raises Conflict on a taken owner/name."""
        ...

    async def get(self, owner: str, name: str) -> Deployment | None: ...
    async def by_id(self, id: str) -> Deployment | None: ...
    async def page(self, account_id: str, *, limit: int = 100, cursor: Cursor | None = None) -> Page[Deployment]: ...
    async def release(self, deployment: Deployment) -> bool:
        """Add its current release, the next by number; False if it is gone or another release came first."""
        ...

    async def releases(self, id: str, limit: int = 100) -> list[Release]:
        """Newest first."""
        ...

    async def release_of(self, id: str, number: int) -> Release | None: ...
    async def judge(self, id: str, number: int, state: ReleaseState, because: str) -> bool:
        """What became of a release: a live one serves from now on. False if it is not the newest any more."""
        ...

    async def delete(self, id: str) -> bool: ...
    async def wanted(self) -> list[Deployment]:
        """Those to look after though nobody asks: rolling out, with `min_instances`, or with no release that serves."""
        ...

    async def last_used(self, full_name: str) -> float | None:
        """When the latest of its predictions ended, infinity if one has not; None if it never had any."""
        ...


class Store(Protocol):
    @property
    def predictions(self) -> Predictions: ...
    @property
    def queue(self) -> Queue: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def models(self) -> Models: ...
    @property
    def versions(self) -> Versions: ...
    @property
    def removals(self) -> Removals: ...
    @property
    def garbage(self) -> Garbage: ...
    @property
    def examples(self) -> Examples: ...
    @property
    def collections(self) -> Collections: ...
    @property
    def search(self) -> Search: ...
    @property
    def builds(self) -> Builds: ...
    @property
    def files(self) -> Files: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def deployments(self) -> Deployments: ...
    @property
    def idempotency(self) -> Idempotency: ...
    @property
    def rates(self) -> Rates: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def usage(self) -> Usage: ...
    @property
    def samples(self) -> Samples: ...
    @property
    def breakdowns(self) -> Breakdowns: ...
    @property
    def footprints(self) -> Footprints: ...
    @property
    def boots(self) -> Boots: ...
    @property
    def batches(self) -> Batches: ...
    @property
    def scalings(self) -> Scalings: ...
    @property
    def decisions(self) -> Decisions: ...

    async def open(self) -> None:
        """Connect and bring the schema up to date."""
        ...

    async def close(self) -> None:
        """Finish what was written, then let go."""
        ...

    async def ping(self) -> None:
        """Raises if a write would not succeed."""
        ...
