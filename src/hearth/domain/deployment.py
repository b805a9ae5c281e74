"""A deployment: a name of one's own for a version, with its own line, its own instances, and releases.

Source: replicate-platform.md 13. The newest release is what is wanted; `serving` is the one that takes traffic. They
differ while a new release proves itself: it takes over when its first instance is ready, and never if its setup
fails.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from hearth.domain.lane import Lane

MOST_MIN, MOST_MAX = 5, 20
"""The largest `min_instances` and `max_instances`."""
CHANGEABLE = ("version", "hardware", "min_instances", "max_instances", "batch_size", "batch_wait")


class ReleaseState(StrEnum):
    ROLLING = "rolling_out"
    """Its first instance is not ready yet; the release before it, if there is one, serves on."""
    LIVE = "live"
    """Takes the traffic, or did until a newer one took over."""
    FAILED = "failed"
    """Its setup failed: it took no traffic, the release before it serves on."""
    DISABLED = "disabled"
    """max_instances is 0: nothing runs, predictions are refused."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    model: str
    """`owner/name`."""
    version: str
    hardware: str
    min_instances: int
    max_instances: int
    created_at: float
    created_by: str
    """A username."""
    batch_size: int | None = None
    batch_wait: float | None = None
    """How predictions are grouped; None: as the version says."""
    state: ReleaseState = ReleaseState.LIVE
    because: str = ""
    """One sentence on the state."""

    def same_code(self, other: Release) -> bool:
        """Whether instances of one can serve the other."""
        return (self.version, self.hardware) == (other.version, other.hardware)


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    account_id: str
    owner: str
    name: str
    created_at: float
    current: Release
    """The newest one."""
    serving: Release | None = None
    """None until the very first one is ready."""

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def route(self) -> Release:
        """The release that takes the next prediction."""
        return self.serving or self.current

    def lane(self, release: Release) -> Lane:
        return Lane(
            key=f"{self.id}/{release.version}/{release.hardware}",
            hardware=release.hardware,
            deployment=self.full_name,
            deployment_id=self.id,
            release=release.number,
            minimum=release.min_instances,
            maximum=release.max_instances,
            batch_size=release.batch_size,
            batch_wait=release.batch_wait,
        )

    def lane_for(self, version_id: str) -> Lane:
        """The lane of a prediction that was accepted for this version, maybe by a release that serves no more."""
        if self.current.max_instances == 0:
            return self.lane(self.current)
        for release in (self.route, self.current):
            if release.version == version_id:
                return self.lane(release)
        route = self.route
        return Lane(
            key=f"{self.id}/{version_id}/{route.hardware}",
            hardware=route.hardware,
            deployment=self.full_name,
            deployment_id=self.id,
            release=route.number,
            maximum=route.max_instances,
        )

    def changed(self, fields: dict[str, Any], *, at: float, by: str) -> Deployment | None:
        """With one more release; None if nothing changes. Naming the version of a failed release tries it again."""
        current = self.current
        again = current.state is ReleaseState.FAILED and "version" in fields
        if not again and all(getattr(current, name) == value for name, value in fields.items()):
            return None
        after = {**fields, "number": current.number + 1, "created_at": at, "created_by": by}
        return self.with_release(msgspec.structs.replace(current, **after))

    def with_release(self, release: Release) -> Deployment:
        """As it is right after `release` was made: serving already, or on its way to.

        1. Disabled: at once.
        2. The same code serves: it takes over at once.
        3. Other code serves: it must prove itself.
        4. Nothing serves, and it need not run before it is used: it serves.
        5. Nothing serves: its first instance must become ready.
        """
        serving = self.serving
        if serving is not None and serving.max_instances == 0:
            serving = None
        if release.max_instances == 0:
            state, because, serves = ReleaseState.DISABLED, "max_instances is 0", True
        elif serving is not None and serving.same_code(release):
            state, because, serves = ReleaseState.LIVE, "it runs the version that served before", True
        elif serving is not None:
            because = f"its first instance is starting; release {serving.number} serves until it is ready"
            state, serves = ReleaseState.ROLLING, False
        elif release.min_instances == 0:
            state, because, serves = ReleaseState.LIVE, "its first prediction starts an instance", True
        else:
            state, because, serves = ReleaseState.ROLLING, "its first instance is starting", False
        release = msgspec.structs.replace(release, state=state, because=because)
        return msgspec.structs.replace(self, current=release, serving=release if serves else serving)
