"""The bus: work goes one way (service to engine), news the other (engine to whoever looks on).

Everything here is synchronous and cheap: it is called on the hot path and never waits. What must
survive is in the store; the bus only makes it quick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from hearth.domain.decision import Decided
from hearth.domain.events import Event
from hearth.domain.instance import InstanceView
from hearth.domain.lane import Lane
from hearth.domain.model import Version
from hearth.domain.overview import Overview
from hearth.domain.prediction import Place, Prediction


class NewPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """Stored, or being stored by an ordered store, and leased to the receiver if `Bus.owner` is set."""

    prediction: Prediction
    version: Version
    secrets: bytes | None = None
    lane: Lane | None = None
    """Whose instances run it; None: the version's own."""


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """A NewPrediction that could not be stored after all."""

    prediction_id: str


class CancelRequested(msgspec.Struct, frozen=True, kw_only=True):
    prediction_id: str
    because: str = "user"
    by: str | None = None
    """The username."""


class BuildQueued(msgspec.Struct, frozen=True, kw_only=True):
    build_id: str


class DeliveryDue(msgspec.Struct, frozen=True, kw_only=True):
    """The outbox has something to send now."""


class VersionDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of it is to be removed."""

    version_id: str


class ResetVersion(msgspec.Struct, frozen=True, kw_only=True):
    """Forget setup failures of a version: it was pushed again, or somebody asked for a retry."""

    version_id: str


class DeploymentChanged(msgspec.Struct, frozen=True, kw_only=True):
    """It has a new release, or is gone: what runs for it must follow."""

    deployment_id: str
    deployment: str
    """`owner/name`."""


class ScalingChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept warm of a model or deployment, or how long its idle instances stay."""

    target: str
    """The id of either."""


class BootInstance(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants one more instance, whether anybody waits or not."""

    version: Version
    lane: Lane


class StopInstance(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants an instance to end; what runs on it runs again elsewhere, or fails if it delivered output."""

    instance_id: str
    because: str


class PauseEngine(msgspec.Struct, frozen=True, kw_only=True):
    """Start nothing new until ResumeEngine comes; what runs goes on."""

    because: str


class ResumeEngine(msgspec.Struct, frozen=True, kw_only=True):
    """Go on after PauseEngine."""


Work = (
    NewPrediction
    | Withdrawn
    | CancelRequested
    | BuildQueued
    | DeliveryDue
    | ResetVersion
    | VersionDeleted
    | DeploymentChanged
    | ScalingChanged
    | BootInstance
    | StopInstance
    | PauseEngine
    | ResumeEngine
)

Listener = Callable[[Sequence[Event], bool], None]
"""Called with new events, and whether they end the prediction (then it is stored, and no call follows)."""


class Desk(Protocol):
    """An engine in this process, for whoever wants to know how it is doing."""

    def overview(self) -> Overview: ...
    def decisions(self, limit: int) -> Sequence[Decided]:
        """Newest first."""
        ...


class Feed(Protocol):
    """A prediction that an engine in this process has in hand."""

    events: Sequence[Event]
    """All of its events so far, in order, stored or not."""

    def snapshot(self) -> Prediction:
        """The record as of now, output and logs so far included."""
        ...

    def place(self) -> Place | None:
        """Where it stands in line, if it waits."""
        ...


class Bus(Protocol):
    owner: str | None
    """The engine in this process; new predictions are leased to it from birth. None if there is none here."""

    desk: Desk | None
    """Of that engine."""

    def submit(self, work: Work) -> None:
        """Hand work to the engine."""
        ...

    def serve(self, owner: str, handler: Callable[[Work], None], desk: Desk | None = None) -> Callable[[], None]:
        """Become the engine of this process; returns the function that ends it."""
        ...

    def open(self, prediction_id: str, feed: Feed) -> None:
        """The engine took a prediction in hand."""
        ...

    def publish(self, prediction_id: str, events: Sequence[Event], ended: bool = False) -> None:
        """Tell the listeners. With `ended` the feed is closed after the call. Events of an ended
        prediction are published once they are stored; others at once."""
        ...

    def close(self, prediction_id: str) -> None:
        """The engine let go of a prediction that has not ended: another one has it, or nobody."""
        ...

    def feed(self, prediction_id: str) -> Feed | None: ...

    def listen(self, prediction_id: str, listener: Listener) -> Callable[[], None]:
        """Hear of events published from now on, also of a prediction whose feed is not open yet;
        returns the function that ends it. A listener must not raise or block."""
        ...

    def show(self, instances: Sequence[InstanceView]) -> None:
        """The engine's instances as they are now."""
        ...

    def instances(self) -> Sequence[InstanceView]: ...
