from __future__ import annotations

import socket

import pytest
from aiohttp.abc import ResolveResult

from hearth.errors import AddressRefused
from hearth.net.address import AddressPolicy
from hearth.net.guard import GuardedResolver, parse_url, shown


def lookup(*addresses: str):  # type: ignore[no-untyped-def]
    async def answer(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=a,
                port=port,
                family=socket.AF_INET6 if ":" in a else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for a in addresses
        ]

    return answer


async def test_only_allowed_addresses_are_left() -> None:
    resolver = GuardedResolver(AddressPolicy(), lookup("10.0.0.1", "8.8.8.8", "::1", "2606:4700::1111"))
    assert [answer["host"] for answer in await resolver.resolve("example.com", 80)] == ["8.8.8.8", "2606:4700::1111"]


async def test_a_name_with_no_allowed_address_is_refused_with_its_name_and_the_setting() -> None:
    resolver = GuardedResolver(AddressPolicy(), lookup("10.0.0.1"))
    with pytest.raises(AddressRefused, match=r"intranet leads to 10\.0\.0\.1 is a private .*allow_private_addresses"):
        await resolver.resolve("intranet", 80)


async def test_a_metadata_name_is_not_even_looked_up() -> None:
    async def never(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        raise AssertionError("asked")

    with pytest.raises(AddressRefused, match="metadata"):
        await GuardedResolver(AddressPolicy(), never).resolve("metadata.google.internal.", 80)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:pw@host:8443/a/b.png?sig=secret#frag", "https://host:8443/a/b.png"),
        ("https://host?x=/@y", "https://host"),
        ("https://host/a@b", "https://host/a@b"),
        ("nonsense", "nonsense"),
        ("https://host/" + "a" * 300, "https://host/" + "a" * 184 + "…"),
    ],
)
def test_urls_in_messages(url: str, expected: str) -> None:
    assert shown(url) == expected


@pytest.mark.parametrize("url", ["http://", "http:///x", "http://[::1", "http://h:99999/", "http://h:x/"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_url(url)


def test_signed_urls_are_sent_as_written() -> None:
    text = "https://h/a%2Fb%7Ec+d?X-Sig=a%2Bb%3D&empty=&t=%7E"
    assert str(parse_url(text)) == text
    assert parse_url("https://h/ä b").raw_path == "/%C3%A4%20b"
