"""Which addresses may be reached from here: pure decisions, asked again for every connection.

Ranges: IANA's special-purpose registries (RFC 6890). Metadata services hand out credentials to whoever
can reach them, so no setting opens those.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec

from hearth.errors import AddressRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


_METADATA = _networks(
    "169.254.0.0/16",  # link-local: EC2, GCP, Azure, OpenStack, ECS task credentials
    "fe80::/10",
    "fd00:ec2::/32",  # EC2 and EKS pod identity
    "fd20:ce::254/128",  # GCP
    "100.100.100.200/32",  # Alibaba
    "192.0.0.192/32",  # Oracle
    "168.63.129.16/32",  # Azure's wire server
)
_METADATA_NAMES = frozenset(
    ("metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal")
)
_NEVER = _networks("0.0.0.0/8", "::/128", "224.0.0.0/4", "ff00::/8", "240.0.0.0/4")
_LOOPBACK = _networks("127.0.0.0/8", "::1/128")
_PRIVATE = _networks(
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",  # carrier-grade NAT, and VPNs such as Tailscale
    "fc00::/7",
    "fec0::/10",
    "64:ff9b:1::/48",  # local NAT64
)
_SPECIAL = _networks(  # Python's is_global differs between versions here
    *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16"),
)
_LAST_32_BITS = _networks(
    "::ffff:0:0/96",  # IPv4-mapped
    "::ffff:0:0:0/96",  # IPv4-translated
    "::/96",  # IPv4-compatible, deprecated
    "64:ff9b::/96",  # NAT64
)
_SIX_TO_FOUR, _TEREDO = _networks("2002::/16", "2001::/32")


class AddressPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """May this address be reached? Settings: `allow_private_addresses`, `allow_addresses`."""

    allow_loopback: bool = False
    allow_private: bool = False
    allow: tuple[Network, ...] = ()
    """Reachable even so, but for metadata services and what is no host at all."""

    def check(self, ip: Address | str) -> None:
        """Raises AddressRefused, with a sentence that names the setting that would allow it."""
        address = ip_address(ip) if isinstance(ip, str) else ip
        inner = embedded(address)
        for candidate in inner or (address,):
            if (reason := self._refusal(candidate)) is not None:
                shown = f"{address} (which leads to {candidate})" if inner else str(address)
                raise AddressRefused(f"{shown} {reason}")

    def check_host(self, host: str) -> None:
        """The part of the check that needs no name service: metadata names, and addresses in any spelling.
        Raises AddressRefused."""
        name = host.strip("[]").rstrip(".").lower()
        if name in _METADATA_NAMES:
            raise AddressRefused(f"{name} is a cloud metadata service, which no setting opens.")
        if (address := literal(name)) is not None:
            self.check(address)

    def _refusal(self, address: Address) -> str | None:
        if _within(address, _METADATA):
            return "belongs to link-local and cloud metadata addresses, which no setting opens."
        if _within(address, _NEVER):
            return "is not the address of one host (unspecified, multicast or reserved); no setting opens it."
        if _within(address, self.allow):
            return None
        if _within(address, _LOOPBACK):
            if self.allow_loopback:
                return None
            return "is this machine itself; the setting allow_addresses can open it (127.0.0.0/8, ::1/128)."
        if _within(address, _PRIVATE):
            if self.allow_private:
                return None
            return "is a private address; the settings allow_private_addresses or allow_addresses can open it."
        if _within(address, _SPECIAL) or not address.is_global:
            return "belongs to a special-purpose range; the setting allow_addresses can open it."
        return None


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The setting `allow_addresses`. Raises ValueError, naming the entry."""
    networks: list[Network] = []
    for text in texts:
        try:
            networks.append(ip_network(text.strip()))
        except ValueError as error:
            raise ValueError(f"allow_addresses: {text!r} is not a network like 10.1.0.0/16: {error}") from error
    return tuple(networks)


def embedded(address: Address) -> tuple[Address, ...]:
    """The IPv4 addresses that packets to this IPv6 address end at: mapped, NAT64, 6to4, Teredo."""
    if isinstance(address, IPv4Address) or address.is_loopback or address.is_unspecified:
        return ()
    value = int(address)
    if _within(address, _LAST_32_BITS):
        return (IPv4Address(value & 0xFFFFFFFF),)
    if _within(address, (_SIX_TO_FOUR,)):
        return (IPv4Address((value >> 80) & 0xFFFFFFFF),)
    if _within(address, (_TEREDO,)):  # the relay's address, and the client's with all bits turned
        return (IPv4Address((value >> 64) & 0xFFFFFFFF), IPv4Address(~value & 0xFFFFFFFF))
    return ()


def literal(host: str) -> Address | None:
    """The address that `host` spells, as the C library reads it: also 2130706433, 0x7f.1 and 0177.0.0.1."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host)) if host[:1].isdigit() else None
    except (OSError, ValueError):
        return None


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
