"""What one more instance will take: from what was seen, else from what there is to see."""

from __future__ import annotations

import math
import re

from msgspec.structs import replace

from hearth.domain.footprint import Footprint
from hearth.domain.model import Recipe
from hearth.domain.sizes import size
from hearth.policy.placement import Need

WEIGHTS, BASE = 1.5, 300 * 10**6
"""Weights in the folder take their size in memory, and for a moment a second copy of parts; Python and libraries."""
GPU_WEIGHTS, GPU_BASE = 1.3, 2 * 10**9
"""On a GPU: activations, the context and the allocator's slack come on top."""
LARGE = 100 * 10**6
"""Bytes in the folder from which weights are taken to be in it; below, setup may well download them."""
RAISE = 1.5
"""After an out-of-memory death: the next try gets so much more than what was too little."""
NEAR = 0.9
"""Who had this share of all that there may be had all of it."""
OVERSHOT = 1.1
"""A run that ended at the limit was seen a little above it: that is all there is, and no reason to refuse the next."""

_MEMORY = re.compile(
    r"\b_?(?:Array)?MemoryError\b|can't allocate memory|Cannot allocate memory|std::bad_alloc|"
    r"not enough memory: you tried to allocate"
)
_GPU = re.compile(
    r"CUDA out of memory|CUDA error: out of memory|CUDNN_STATUS_ALLOC_FAILED|CUBLAS_STATUS_ALLOC_FAILED|"
    r"CUDA_ERROR_OUT_OF_MEMORY|HIP out of memory|MPS backend out of memory|RESOURCE_EXHAUSTED: Out of memory|"
    r"Failed to allocate memory for requested buffer|torch\.(?:cuda\.)?OutOfMemoryError|^OutOfMemoryError\b"
)


def need(
    known: Footprint | None,
    before: Footprint | None,
    recipe: Recipe,
    *,
    unknown: int,
    gpus: int = 0,
    sku: str | None,
    ceiling: float = math.inf,
) -> Need:
    """What to make room for. `ceiling`: the most that an instance may have.

    1. It was measured: that; no more than there is, if it overshot the ceiling by little while it ran into it.
    2. Another version of the model was: as much as that.
    3. There are weights in its folder: by their size.
    4. Else `unknown` bytes, and GPUs for itself alone.
    """
    held = sum(file.size for file in recipe.source)
    seen = known if known is not None and known.memory else None
    guess = seen or before
    memory = guess.memory if guess is not None and guess.memory else int(max(unknown, held * WEIGHTS + BASE))
    if ceiling < memory <= ceiling * OVERSHOT:
        memory = int(ceiling)
    gpu: int | None = 0
    if gpus:
        by_size = int(held * GPU_WEIGHTS + GPU_BASE) if held > LARGE else None
        gpu = guess.gpu if guess is not None and guess.gpu else by_size
    return Need(memory=memory, gpus=gpus, sku=sku, gpu_memory=gpu, measured=seen is not None)


def seen(known: Footprint, *, memory: int = 0, gpu: int = 0, setup: bool = False) -> Footprint:
    """After a look at an instance: the most counts."""
    if setup:
        return replace(known, setup=max(known.setup, memory), gpu=max(known.gpu, gpu))
    return replace(known, run=max(known.run, memory), gpu=max(known.gpu, gpu))


def relaxed(known: Footprint, *, run: int, gpu: int) -> Footprint:
    """After the whole life of an instance that worked well with less: half of what was too much is given up, so one
    exceptional input does not take the room of others for ever."""
    return replace(
        known,
        run=max(run, (known.run + run) // 2) if run else known.run,
        gpu=max(gpu, (known.gpu + gpu) // 2) if gpu else known.gpu,
    )


def raised(known: Footprint, *, had: int, ceiling: float, gpu: bool, setup: bool, again: bool) -> Footprint:
    """After memory ran out for an instance that had `had` bytes. `ceiling`: the most that an instance may have;
    `again`: it is the second time in a row.

    1. More than it had, all that there may be at most: the next try has it.
    2. It had all, twice, and could not even set up: more than there is. It never fits.
    """
    hopeless = setup and again and had >= ceiling * NEAR
    wanted = int(had * RAISE) if hopeless else int(min(had * RAISE, max(ceiling, had)))
    if gpu:
        return replace(known, gpu=max(known.gpu, wanted))
    if setup:
        return replace(known, setup=max(known.setup, wanted))
    return replace(known, run=max(known.run, wanted))


def ran_out(text: str) -> bool | None:
    """Whether an error's text tells of memory that ran out: True on a GPU, False elsewhere, None if it does not."""
    if _GPU.search(text):
        return True
    return False if _MEMORY.search(text) else None


def sentence(*, had: int, gpu: bool) -> str:
    """What is said of it."""
    what = "GPU memory" if gpu else "memory"
    return f"it ran out of {what}" + (f": it had {size(had)}, and needs more" if had else "")
