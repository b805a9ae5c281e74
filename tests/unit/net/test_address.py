from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.errors import AddressRefused
from hearth.net.address import AddressPolicy, embedded, literal, parse_networks

STRICT = AddressPolicy()
LOOSE = AddressPolicy(allow_loopback=True, allow_private=True, allow=parse_networks(["0.0.0.0/0", "::/0"]))


def refused(policy: AddressPolicy, ip: str | IPv4Address | IPv6Address) -> str | None:
    try:
        policy.check(ip)
    except AddressRefused as error:
        return error.message
    return None


@pytest.mark.parametrize(
    "ip",
    [
        *("169.254.169.254", "169.254.170.2", "169.254.0.1", "fe80::1", "fe80::1%2", "fd00:ec2::254", "fd00:ec2::23"),
        *("fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
        *("0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255"),
        *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254"),
        *("::ffff:0:169.254.169.254", "::ffff:0.0.0.0", "64:ff9b::224.0.0.1"),
        "2001:0:a9fe:a9fe:0:0:0:0",  # Teredo, by way of a link-local relay
        "2001:0:808:808::5601:5601",  # Teredo: the client is 169.254.169.254 with all bits turned
    ],
)
def test_nothing_opens_metadata_services_and_what_is_no_host(ip: str) -> None:
    assert "no setting opens" in (refused(STRICT, ip) or "")
    assert "no setting opens" in (refused(LOOSE, ip) or "")


@pytest.mark.parametrize(
    "ip", ["127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"]
)
def test_loopback(ip: str) -> None:
    assert "allow_addresses" in (refused(AddressPolicy(allow_private=True), ip) or "")
    assert refused(AddressPolicy(allow_loopback=True), ip) is None


@pytest.mark.parametrize(
    "ip",
    [
        *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255"),
        *("fc00::1", "fdff::1", "fec0::1", "64:ff9b:1::1", "::ffff:10.1.2.3", "64:ff9b::c0a8:101", "2002:a00:1::"),
    ],
)
def test_private_ranges(ip: str) -> None:
    assert "allow_private_addresses" in (refused(AddressPolicy(allow_loopback=True), ip) or "")
    assert refused(AddressPolicy(allow_private=True), ip) is None


@pytest.mark.parametrize("ip", ["192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.9", "2001:db8::1", "192.0.0.8"])
def test_special_ranges_need_to_be_listed(ip: str) -> None:
    assert "allow_addresses" in (refused(AddressPolicy(allow_loopback=True, allow_private=True), ip) or "")
    assert refused(AddressPolicy(allow=(ip_network(ip),)), ip) is None


@pytest.mark.parametrize(
    "ip", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "172.15.255.255", "100.128.0.1", "2606:4700::1111", "64:ff9b::808:808"]
)
def test_public_addresses_pass(ip: str) -> None:
    assert refused(STRICT, ip) is None


def test_listed_networks_pass_also_as_mapped_addresses() -> None:
    policy = AddressPolicy(allow=parse_networks(["10.1.0.0/16", " fd12::/16 "]))
    assert refused(policy, "10.1.2.3") is None
    assert refused(policy, "::ffff:10.1.2.3") is None
    assert refused(policy, "fd12::5") is None
    assert refused(policy, "10.2.0.1") is not None


def test_a_list_that_does_not_parse_names_the_entry() -> None:
    with pytest.raises(ValueError, match=r"allow_addresses: '10.1.0.1/16'"):
        parse_networks(["10.0.0.0/8", "10.1.0.1/16"])


@given(st.ip_addresses(v=4))
def test_what_is_not_global_is_refused(ip: IPv4Address) -> None:
    if not ip.is_global or ip.is_multicast:
        assert refused(STRICT, ip) is not None


@given(st.ip_addresses(v=6))
def test_what_is_not_global_is_refused_in_version_6(ip: IPv6Address) -> None:
    if not embedded(ip) and (not ip.is_global or ip.is_multicast):
        assert refused(STRICT, ip) is not None


@given(st.ip_addresses(v=4), st.booleans(), st.booleans())
def test_an_address_inside_another_is_judged_by_what_it_leads_to(ip: IPv4Address, loop: bool, private: bool) -> None:
    policy = AddressPolicy(allow_loopback=loop, allow_private=private)
    value = int(ip)
    for outer in (
        IPv6Address(0xFFFF << 32 | value),
        IPv6Address(0xFFFF << 48 | value),
        IPv6Address(0x64FF9B << 96 | value),
        IPv6Address(0x2002 << 112 | value << 80 | 1),
    ):
        assert embedded(outer) == (ip,)
        assert (refused(policy, outer) is None) == (refused(policy, ip) is None)


@given(st.ip_addresses())
def test_every_setting_only_opens(ip: IPv4Address | IPv6Address) -> None:
    if refused(STRICT, ip) is None:
        assert refused(LOOSE, ip) is None


@pytest.mark.parametrize(
    ("host", "ip"),
    [
        *(("127.0.0.1", "127.0.0.1"), ("2130706433", "127.0.0.1"), ("0x7f.1", "127.0.0.1"), ("127.1", "127.0.0.1")),
        *(("0177.0.0.1", "127.0.0.1"), ("0x7f000001", "127.0.0.1"), ("010.0.0.1", "8.0.0.1"), ("::1", "::1")),
        *(("0", "0.0.0.0"), ("0xa9fea9fe", "169.254.169.254"), ("169.254.43518", "169.254.169.254")),
        *(
            ("example.com", None),
            ("1.example.com", None),
            ("", None),
            ("256.1.1.1", None),
            ("1\x00", None),
            ("٣", None),
        ),
    ],
)
def test_spellings_of_an_address(host: str, ip: str | None) -> None:
    assert literal(host) == (ip and ip_address(ip))


@pytest.mark.parametrize(
    "host",
    [
        *("metadata.google.internal", "Metadata.Google.Internal.", "metadata", "instance-data", "[fe80::1]"),
        *("[::ffff:169.254.169.254]", "0xa9fea9fe", "169.254.169.254."),
    ],
)
def test_hosts_that_are_refused_unresolved(host: str) -> None:
    with pytest.raises(AddressRefused, match="no setting opens"):
        LOOSE.check_host(host)


def test_other_names_wait_for_the_resolver() -> None:
    STRICT.check_host("localhost")
    STRICT.check_host("metadata.example.com")
