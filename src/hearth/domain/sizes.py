"""Sizes in sentences."""

from __future__ import annotations


def size(count: float) -> str:
    """`850 MB`, `6.2 GB`: two digits that matter, decimal as disks and memory are sold."""
    if count >= 1e9:
        gigabytes = count / 1e9
        return f"{gigabytes:.1f} GB" if gigabytes < 10 and round(gigabytes % 1, 1) else f"{gigabytes:.0f} GB"
    return f"{max(count, 0) / 1e6:.0f} MB"
