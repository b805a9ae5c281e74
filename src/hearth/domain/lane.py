"""A lane: one waiting line, and the instances that serve nothing else.

Each version has one, each training of a version another, and each deployment its own: for every version and
hardware that its releases name. Releases that differ only in their bounds share a lane, so changing the number of
instances boots none anew.
"""

from __future__ import annotations

import msgspec


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    """Lanes with the same key are the same lane."""
    hardware: str = "cpu"
    """The SKU that its instances run on. A model that is moved to another one takes it once its lane has emptied."""
    train: bool = False
    """Its instances run the model's trainer, each of them once."""
    deployment: str | None = None
    """`owner/name`."""
    deployment_id: str | None = None
    release: int = 0
    """The number of the deployment's release whose bounds these are; those of a later one count."""
    minimum: int = 0
    """Instances that are kept running."""
    maximum: int | None = None
    """None: as many as the server allows for a version. 0: disabled, nothing may run."""
    batch_size: int | None = None
    batch_wait: float | None = None
    """How predictions are grouped, where not as the version says."""


def of_version(version_id: str, hardware: str = "cpu") -> Lane:
    return Lane(key=version_id, hardware=hardware)


def of_trainings(version_id: str, hardware: str = "cpu") -> Lane:
    return Lane(key=f"train/{version_id}", hardware=hardware, train=True)
