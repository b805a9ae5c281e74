"""Certificates that real clients accept."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509

from hearth import tls
from hearth.tls import DAY, RENEW_BEFORE, VALID_FOR, TLSFiles, bundle, ensure


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names_of(path: Path) -> set[str]:
    held = read(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*held.get_values_for_type(x509.DNSName), *map(str, held.get_values_for_type(x509.IPAddress))}


def contents(files: TLSFiles) -> list[bytes]:
    return [path.read_bytes() for path in files]


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    files = ensure(tmp_path / "tls", ["box.lan"])
    before = contents(files), [path.stat().st_mtime_ns for path in files]
    assert ensure(tmp_path / "tls", ["BOX.lan."]) == files
    assert (contents(files), [path.stat().st_mtime_ns for path in files]) == before
    assert sorted(p.name for p in (tmp_path / "tls").iterdir()) == [
        "bundle.pem",
        "ca.key",
        "ca.pem",
        "server.key",
        "server.pem",
    ]


def test_keys_are_for_the_owner_only(tmp_path: Path) -> None:
    ensure(tmp_path)
    for name in ("ca.key", "server.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_the_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Machine")
    files = ensure(tmp_path, ["10.0.0.5", "[fd00::5]", "*.models.example", "bücher.example", "localhost"])
    assert names_of(files.cert) == {
        *("localhost", "127.0.0.1", "::1", "machine"),
        *("10.0.0.5", "fd00::5", "*.models.example", "xn--bcher-kva.example"),
    }


def test_a_host_name_that_fits_no_certificate_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "my_machine")
    assert names_of(ensure(tmp_path).cert) == {"localhost", "127.0.0.1", "::1"}


@pytest.mark.parametrize(
    "name", ["", "a b", "a_b", "me@example.com", "10.0.0.0/8", "https://x", "-a", "a..b", "x" * 64]
)
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="tls_names"):
        ensure(tmp_path, [name])


def test_new_names_keep_the_authority(tmp_path: Path) -> None:
    files = ensure(tmp_path, ["one.lan"])
    ca, cert, key, trusted = contents(files)
    ensure(tmp_path, ["two.lan"])
    assert contents(files)[0] == ca
    assert contents(files)[3] == trusted
    assert contents(files)[1] != cert
    assert contents(files)[2] != key
    assert "two.lan" in names_of(files.cert)
    assert "one.lan" not in names_of(files.cert)


def test_a_certificate_is_renewed_before_its_end_and_not_earlier(tmp_path: Path) -> None:
    files = ensure(tmp_path)
    ca, cert, *_ = contents(files)
    ends = read(files.cert).not_valid_after_utc.timestamp()
    assert ends == pytest.approx(time.time() - DAY + VALID_FOR, abs=60)
    ensure(tmp_path, now=ends - RENEW_BEFORE - 60)
    assert files.cert.read_bytes() == cert
    ensure(tmp_path, now=ends - RENEW_BEFORE + 60)
    assert files.cert.read_bytes() != cert
    assert files.ca.read_bytes() == ca


@pytest.mark.parametrize("damage", ["server.key", "server.pem"])
@pytest.mark.parametrize("how", [b"", b"nonsense", None])
def test_a_damaged_certificate_is_issued_anew(tmp_path: Path, damage: str, how: bytes | None) -> None:
    files = ensure(tmp_path)
    ca = files.ca.read_bytes()
    (tmp_path / damage).unlink() if how is None else (tmp_path / damage).write_bytes(how)
    ensure(tmp_path)
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(files.cert, files.key)
    assert files.ca.read_bytes() == ca


@pytest.mark.parametrize("damage", ["ca.key", "ca.pem"])
@pytest.mark.parametrize("how", [b"nonsense", None])
def test_a_damaged_authority_is_made_anew_and_everything_follows(
    tmp_path: Path, damage: str, how: bytes | None
) -> None:
    files = ensure(tmp_path)
    (tmp_path / damage).unlink() if how is None else (tmp_path / damage).write_bytes(how)
    ensure(tmp_path)
    read(files.cert).verify_directly_issued_by(read(files.ca))
    assert files.ca.read_bytes().strip() in files.bundle.read_bytes()


def test_an_authority_with_a_foreign_key_is_not_used(tmp_path: Path) -> None:
    files = ensure(tmp_path / "a")
    ensure(tmp_path / "b")
    shutil.copy(tmp_path / "b/ca.key", tmp_path / "a/ca.key")
    ensure(tmp_path / "a")
    read(files.cert).verify_directly_issued_by(read(files.ca))


def blocks(path: Path) -> list[bytes]:
    return re.findall(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", path.read_bytes(), re.DOTALL)


def test_the_bundle_follows_the_systems_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (ensure(tmp_path / name).ca for name in ("one", "two"))
    system = tmp_path / "system.crt"
    monkeypatch.setenv("SSL_CERT_FILE", str(system))
    system.write_bytes("# Autorité de Noël\r\n".encode("latin-1") + one.read_bytes().replace(b"\n", b"\r\n"))
    files = ensure(tmp_path / "ours")
    assert blocks(files.bundle) == blocks(one) + blocks(files.ca)
    system.write_bytes(one.read_bytes() + two.read_bytes() + one.read_bytes())
    ensure(tmp_path / "ours")
    assert blocks(files.bundle) == blocks(one) + blocks(two) + blocks(files.ca)


def test_a_shell_that_already_trusts_the_bundle_does_not_change_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = ensure(tmp_path / "company").ca
    monkeypatch.setenv("SSL_CERT_FILE", str(company))
    files = ensure(tmp_path / "ours")
    assert blocks(files.bundle) == blocks(company) + blocks(files.ca)
    monkeypatch.setenv("SSL_CERT_FILE", str(files.bundle))
    ensure(tmp_path / "ours")
    assert blocks(files.bundle) == blocks(company) + blocks(files.ca)
    files.ca.unlink()  # a new authority must get in even so, and the old one out
    ensure(tmp_path / "ours")
    assert blocks(files.bundle)[-1:] == blocks(files.ca)
    assert len(blocks(files.bundle)) == len(set(blocks(files.bundle)))


def test_without_any_public_authority_the_bundle_still_holds_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "_sources", lambda: iter([tmp_path / "nothing"]))
    files = ensure(tmp_path)
    assert blocks(files.bundle) == blocks(files.ca)
    files.bundle.unlink()
    bundle(files.bundle, files.ca)
    assert blocks(files.bundle) == blocks(files.ca)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[TLSFiles, int]]:
    files = ensure(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.cert, files.key)

    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0, ssl=context)
    async with server:
        yield files, server.sockets[0].getsockname()[1]


async def run(*command: str, **variables: str) -> tuple[int, str]:
    environment = {"PATH": os.environ["PATH"], "NO_PROXY": "*", **variables}
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


READ = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_python_trusts_the_bundle_even_strictly(served: tuple[TLSFiles, int], host: str) -> None:
    files, port = served
    context = ssl.create_default_context(cafile=str(files.bundle))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert (await reader.read()).endswith(b"hello")
    writer.close()


async def test_a_client_without_the_bundle_refuses_and_so_it_does_for_another_name(
    served: tuple[TLSFiles, int],
) -> None:
    files, port = served
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context())
    context = ssl.create_default_context(cafile=str(files.bundle))
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="elsewhere.example")


async def test_a_python_program_needs_only_the_variable(served: tuple[TLSFiles, int]) -> None:
    files, port = served
    code, output = await run(sys.executable, "-c", READ, f"https://localhost:{port}/", SSL_CERT_FILE=str(files.bundle))
    assert (code, output.strip()) == (0, "hello"), output


def strict_python() -> str | None:
    """A Python 3.13 or later, whose default context is strict."""
    installed = sorted(map(str, Path.home().glob(".pyenv/versions/3.1[3-9]*/bin/python3")))
    for candidate in (sys.executable, "python3.13", "python3.14", *installed):
        found = shutil.which(candidate)
        check = "import ssl, sys; sys.exit(sys.version_info < (3, 13))"
        if found and subprocess.run([found, "-c", check], capture_output=True).returncode == 0:
            return found
    return None


async def test_python_3_13_is_strict_by_default(served: tuple[TLSFiles, int]) -> None:
    files, port = served
    python = await asyncio.to_thread(strict_python)
    if python is None:
        pytest.skip("no Python 3.13 on this machine")
    code, output = await run(python, "-c", READ, f"https://localhost:{port}/", SSL_CERT_FILE=str(files.bundle))
    assert (code, output.strip()) == (0, "hello"), output


NODE = """
fetch(process.argv[1]).then(r => r.text()).then(
  t => console.log(t), e => { console.log(String(e.cause || e)); process.exit(1); });
"""


async def test_node_trusts_the_bundle(served: tuple[TLSFiles, int]) -> None:
    files, port = served
    if shutil.which("node") is None:
        pytest.skip("no node on this machine")
    url = f"https://localhost:{port}/"
    code, output = await run("node", "-e", NODE, url, NODE_EXTRA_CA_CERTS=str(files.bundle))
    assert (code, output.strip()) == (0, "hello"), output
    code, output = await run("node", "-e", NODE, url)
    assert code == 1, "without the bundle it must refuse"


async def test_openssl_verifies_strictly(served: tuple[TLSFiles, int]) -> None:
    files, _ = served
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine")
    for check in (["-purpose", "sslserver", "-verify_hostname", "localhost"], ["-verify_ip", "127.0.0.1"]):
        code, output = await run(
            "openssl", "verify", "-x509_strict", "-no-CApath", "-CAfile", str(files.ca), *check, str(files.cert)
        )
        assert code == 0, output
