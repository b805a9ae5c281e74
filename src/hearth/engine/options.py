"""The numbers the engine goes by. `compose.py` fills them from the settings."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hearth.policy.placement import Machine


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes are bytes, times are seconds."""

    folder: Path
    """Local disk for sources (kept) and staged inputs (per run)."""
    single: bool = True
    """No other engine shares the store: what is leased at the start was leased by a dead one."""

    max_instances: int = 8
    max_instances_per_version: int = 1
    machine: Machine = Machine(instances=8)
    """What instances may take together; `instances` is filled in from `max_instances`."""
    gpu_names: tuple[str, ...] = ()
    """What CUDA calls each GPU of `machine`."""
    unknown_memory: int = 0
    """Bytes reserved for an instance of a version that nothing is known of."""
    idle_timeout: float = 300.0
    setup_timeout: float = 600.0
    run_timeout: float = 1800.0
    training_timeout: float = 24 * 3600.0
    trainings: int = 1
    """Trainings at the same time, over all models."""
    max_waiting: int | None = None
    """Predictions that may wait in one lane, each class with those that are more urgent; None: any number."""
    cancel_grace: float = 10.0
    """Between a polite cancel and the end of the instance."""
    health_interval: float = 30.0
    """Between two looks at an idle instance."""
    stop_grace: float = 5.0
    """For an idle instance to end by itself."""
    model_environment: dict[str, str] = {}

    hardware: tuple[str, ...] = ("cpu",)
    """The SKUs that a model may name."""
    max_input_file: int = 2 * 1024**3
    max_output_file: int = 10 * 1024**3
    retention: float = 30 * 24 * 3600.0
    keep_unused: float = 30 * 24 * 3600.0
    """Environments that no version has, unpacked sources and weights are kept for so long after their last use."""

    builds: int = 1
    """Builds at the same time."""
    couriers: int = 256
    """Webhooks on their way at the same time."""

    write_interval: float = 0.004
    """Webhooks are stored this long after what they tell of, those of all predictions together; other news wait longer
    (`recorder.NEWS_WAIT`)."""
    show_interval: float = 0.02
    """The view of the instances is at most this old."""
    usage_interval: float = 3.0
    lease: float = 30.0
    renew_interval: float = 10.0
    sweep_interval: float = 60.0
    sweep_limit: int = 200
    held: int = 10_000
    """Predictions taken over from the store are held in memory up to this many; the others wait in the store."""
