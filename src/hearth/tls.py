"""A certificate authority of this installation, a certificate for this server, and a bundle for its clients.

The authority is made once and kept, so that who trusts it goes on doing so; the server's certificate is issued
anew when its names change or its end is near. Official clients wrap file outputs only when they come by https
(client-contract.md 9): Python programs trust the bundle by SSL_CERT_FILE, Node by NODE_EXTRA_CA_CERTS.
"""

from __future__ import annotations

import datetime
import importlib.util
import ipaddress
import logging
import os
import re
import secrets
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import trustme
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

log = logging.getLogger(__name__)

DAY = 24 * 3600.0
VALID_FOR = 397 * DAY
"""Apple's verifiers refuse certificates of local authorities beyond 825 days, browsers public ones beyond 398."""
RENEW_BEFORE = 30 * DAY
_ALWAYS = ("localhost", "127.0.0.1", "::1")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class TLSFiles(NamedTuple):
    ca: Path
    """The authority's certificate."""
    cert: Path
    """The server's certificate."""
    key: Path
    """Its private key, readable by the owner only."""
    bundle: Path
    """What this machine trusts, and the authority: for SSL_CERT_FILE and NODE_EXTRA_CA_CERTS."""


def ensure(folder: Path, names: Sequence[str] = (), *, now: float | None = None) -> TLSFiles:
    """Make in `folder` what is missing or out of date, and nothing else. The certificate is for localhost,
    127.0.0.1, ::1, the host name and `names` (host names, `*.example.com`, addresses). Raises ValueError for
    a name that cannot stand in a certificate."""
    files = TLSFiles(folder / "ca.pem", folder / "server.pem", folder / "server.key", folder / "bundle.pem")
    folder.mkdir(parents=True, exist_ok=True)
    authority = _authority(files.ca, folder / "ca.key")
    wanted = _wanted(names)
    at = time.time() if now is None else now
    if not _serves(files, wanted, at):
        issued = authority.issue_cert(
            *sorted(wanted),
            organization_name="Hearth",
            organization_unit_name="Server",
            not_before=_utc(at - DAY),
            not_after=_utc(at - DAY + VALID_FOR),
        )
        _write(files.key, issued.private_key_pem.bytes(), secret=True)
        _write(files.cert, issued.cert_chain_pems[0].bytes())
        log.info("A server certificate was issued.", extra={"action": "tls.issued", "names": sorted(wanted)})
    bundle(files.bundle, files.ca)
    return files


def bundle(path: Path, ca: Path) -> None:
    """Write to `path` the certificates that this machine trusts and `ca`; leave it alone if it holds just that.

    Where `hearth env` has been applied, SSL_CERT_FILE names the bundle itself: what it was made from cannot be
    told any more, and it stays as it is as long as it holds `ca`."""
    source = ssl.get_default_verify_paths().cafile
    if source and path.exists() and path.samefile(source) and {*_certificates(ca)} <= {*_certificates(path)}:
        return
    certificates = dict.fromkeys([*_trusted(path), *_certificates(ca)])
    content = b"".join(certificate + b"\n" for certificate in certificates)
    if not path.exists() or path.read_bytes() != content:
        _write(path, content)


def _authority(cert: Path, key: Path) -> trustme.CA:
    if cert.exists() and key.exists():
        try:
            if _matches(cert, key):
                return trustme.CA.from_pem(cert.read_bytes(), key.read_bytes())
            reason = "its key does not belong to it"
        except ValueError as error:
            reason = str(error)
        log.warning(
            "The certificate authority could not be read (%s); clients must trust a new one.",
            reason,
            extra={"action": "tls.authority_unreadable", "path": str(cert)},
        )
    # no authorities below this one; the name tells installations apart in lists of certificates
    made = trustme.CA(
        path_length=0,
        organization_name="Hearth",
        organization_unit_name=f"Local authority of {_host_name() or 'this machine'} {secrets.token_hex(4)}",
    )
    _write(key, made.private_key_pem.bytes(), secret=True)
    _write(cert, made.cert_pem.bytes())
    log.info("A certificate authority was made.", extra={"action": "tls.authority_made", "path": str(cert)})
    return made


def _serves(files: TLSFiles, wanted: set[str], at: float) -> bool:
    """Is there a certificate of this authority, for these names and long enough, with its key?"""
    if not files.cert.exists() or not files.key.exists():
        return False
    try:
        certificate = x509.load_pem_x509_certificate(files.cert.read_bytes())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(files.ca.read_bytes()))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        matches = _matches(files.cert, files.key)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    held = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return matches and held == wanted and begins <= at < ends - RENEW_BEFORE


def _matches(cert: Path, key: Path) -> bool:
    """Raises ValueError where one of them cannot be read."""
    public = load_pem_private_key(key.read_bytes(), password=None).public_key()
    return x509.load_pem_x509_certificate(cert.read_bytes()).public_key() == public


def _wanted(names: Sequence[str]) -> set[str]:
    own = _host_name()
    return {*_ALWAYS, *([own] if own else []), *(_name(name) for name in names)}


def _host_name() -> str | None:
    try:
        return _name(socket.gethostname())
    except ValueError:
        return None  # an underscore, say: nobody can ask for it by https either


def _name(text: str) -> str:
    """A name as certificates hold it. Raises ValueError."""
    name = text.strip().rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    prefix, rest = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    try:
        encoded = rest.encode("idna").decode("ascii")
    except UnicodeError:
        encoded = ""
    label = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    if not re.fullmatch(rf"{label}(?:\.{label})*", encoded) or len(encoded) > 253:
        raise ValueError(f"tls_names: {text!r} is neither a host name nor an address")
    return prefix + encoded


def _trusted(own: Path) -> list[bytes]:
    """What this machine trusts: SSL_CERT_FILE, else OpenSSL's file or folder, else certifi's; never `own`."""
    for source in _sources():
        if own.exists() and source.exists() and source.samefile(own):
            continue
        files = [source] if source.is_file() else sorted(source.glob("*.pem")) if source.is_dir() else []
        if found := [certificate for file in files for certificate in _certificates(file)]:
            return found
    log.warning(
        "No certificates of public authorities were found; the bundle holds only our own.",
        extra={"action": "tls.no_public_authorities"},
    )
    return []


def _sources() -> Iterator[Path]:
    paths = ssl.get_default_verify_paths()
    for folder in (paths.cafile, paths.openssl_cafile):
        if folder:
            yield Path(folder)
    for folder in (paths.capath, paths.openssl_capath):
        if folder:
            yield Path(folder, "ca-certificates.crt")
            yield Path(folder)
    if importlib.util.find_spec("certifi"):
        import certifi

        yield Path(certifi.where())


def _certificates(file: Path) -> list[bytes]:
    """Without the comments between them, which may be in any encoding."""
    try:
        return _CERTIFICATE.findall(file.read_bytes().replace(b"\r\n", b"\n"))
    except OSError as error:
        log.warning("Certificates could not be read: %s", error, extra={"action": "tls.unreadable", "path": str(file)})
        return []


def _write(path: Path, content: bytes, *, secret: bool = False) -> None:
    """Whole or not at all."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _utc(at: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at, datetime.UTC)
