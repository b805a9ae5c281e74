"""What models can run on: SKUs and names as Replicate has them where it has them (replicate-platform.md 16)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    sku: str
    name: str
    price: float = 0.0
    """Per second, in whatever currency the operator thinks in. Our own machine costs nothing by itself."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One accelerator of the machine, as its driver names it."""

    name: str
    memory: int = 0
    """Bytes; 0: unknown."""


CPU = (Hardware(sku="cpu", name="CPU"), Hardware(sku="cpu-small", name="CPU (Small)"))

_KNOWN = (
    (re.compile(r"\bT4\b"), "gpu-t4", "Nvidia T4"),
    (re.compile(r"\bL40S\b"), "gpu-l40s", "Nvidia L40S"),
    (re.compile(r"\bA40\b"), "gpu-a40-large", "Nvidia A40 (Large)"),
    (re.compile(r"\bH100\b"), "gpu-h100", "Nvidia H100"),
)
_A100 = re.compile(r"\bA100\b")
_LARGE = 60 * 1024**3
"""Bytes: the A100 has 40 or 80 GB, and Replicate offers the larger one."""
_NOISE = re.compile(
    r"\b(NVIDIA|GeForce|Tesla|Quadro|SXM\d*|PCIe|HBM\d*\w*|\d+ ?GB|Graphics|GPU)\b|\(.*?\)", re.IGNORECASE
)
_MULTIPLES = (2, 4, 8)


ANY_GPU = "gpu"
"""What a model asks for whose cog.yaml says `gpu: true` and whose hearth.yaml names no SKU."""
_SKU = re.compile(r"(gpu-.+?)(?:-(\d+)x)?")


def kind_of(device: Device) -> str:
    """The SKU of one such device."""
    return _kind(device)[0]


def gpus_of(sku: str) -> tuple[int, str | None]:
    """How many GPUs a SKU means, and of which kind: `gpu-a40-large-2x` is two `gpu-a40-large`."""
    match = _SKU.fullmatch(sku)
    return (int(match[2] or 1), match[1]) if match else (0, None)


def offered(devices: Iterable[Device]) -> list[Hardware]:
    """What this machine offers, CPUs first: each kind of accelerator alone, and in the multiples it has of it."""
    kinds: dict[str, tuple[str, int]] = {}
    for device in devices:
        sku, name = _kind(device)
        kinds[sku] = (name, kinds.get(sku, ("", 0))[1] + 1)
    found = list(CPU)
    for sku, (name, count) in sorted(kinds.items()):
        found.append(Hardware(sku=sku, name=f"{name} GPU"))
        found += [Hardware(sku=f"{sku}-{n}x", name=f"{n}x {name} GPU") for n in _MULTIPLES if n <= count]
    return found


def priced(found: Iterable[Hardware], overrides: Mapping[str, Mapping[str, str | float | bool]]) -> list[Hardware]:
    """What the operator makes of it: names and prices by SKU, further SKUs behind the others, `hidden` ones gone."""
    known = {hardware.sku: hardware for hardware in found}
    for sku, given in overrides.items():
        before = known.pop(sku, None) if given.get("hidden") else known.get(sku)
        if not given.get("hidden"):
            name = str(given.get("name") or (before.name if before else sku))
            price = float(given.get("price", before.price if before else 0.0))
            known[sku] = Hardware(sku=sku, name=name, price=price)
    return list(known.values())


def _kind(device: Device) -> tuple[str, str]:
    """SKU and name of one accelerator."""
    for pattern, sku, name in _KNOWN:
        if pattern.search(device.name):
            return sku, name
    if _A100.search(device.name) and device.memory >= _LARGE:
        return "gpu-a100-large", "Nvidia A100 (80GB)"
    plain = " ".join(_NOISE.sub(" ", device.name.replace("-", " ")).split()) or "unknown"
    maker = "" if plain.startswith(("Apple", "AMD", "Intel")) else "Nvidia "
    return "gpu-" + (re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "unknown"), f"{maker}{plain}"
