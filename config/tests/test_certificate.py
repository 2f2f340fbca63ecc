"""What is said of a certificate and a key that do not fit, before browsers say it."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from config import certificate

NAME = "classroom.campus.edu"
NOW = datetime.now(timezone.utc)
PEM = serialization.Encoding.PEM


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates and keys, good ones and others; all by name."""
    made = tmp_path_factory.mktemp("certificates")
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    for name, each in (("key", key), ("other", other), ("rsa", rsa.generate_private_key(65537, 2048))):
        (made / name).write_bytes(each.private_bytes(PEM, pkcs8, plain))
    locked = serialization.BestAvailableEncryption(b"hello")
    (made / "locked").write_bytes(key.private_bytes(PEM, pkcs8, locked))
    for name, first, last in (("good", -30, 30), ("expired", -30, -1), ("early", 1, 30)):
        (made / name).write_bytes(_signed(key, first, last))
    (made / "chain").write_bytes(_signed(key, -30, 30) + _signed(other, -30, 30))
    (made / "backwards").write_bytes(_signed(other, -30, 30) + _signed(key, -30, 30))
    (made / "nothing").write_bytes(b"")
    return made


def _signed(key: ec.EllipticCurvePrivateKey, first: int, last: int) -> bytes:
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "campus")])
    names = [x509.DNSName(NAME), x509.DNSName("*.lab.edu"), x509.IPAddress(IPv4Address("10.0.0.7"))]
    builder = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW + timedelta(first)).not_valid_after(NOW + timedelta(last))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(PEM)


@pytest.mark.parametrize("hostname", [NAME, "a.lab.edu", "*.lab.edu", "10.0.0.7"])
@pytest.mark.parametrize("which", ["good", "chain"])
def test_certificate_that_browsers_take_is_taken(folder: Path, which: str, hostname: str) -> None:
    certificate.look(str(folder / which), str(folder / "key"), hostname)


@pytest.mark.parametrize(
    ("which", "key", "hostname", "words"),
    [
        ("expired", "key", NAME, "tls.certificate_file: {which} has expired. Renew it."),
        ("early", "key", NAME, "tls.certificate_file: {which} is not valid yet."),
        ("good", "key", "a.edu", "tls.certificate_file: {which} is not for a.edu (network.hostname)."),
        ("good", "key", "10.0.0.8", "tls.certificate_file: {which} is not for 10.0.0.8 (network.hostname)."),
        (
            "good",
            "key",
            f"*.{NAME}",
            f"tls.certificate_file: {{which}} is not for *.{NAME} (network.subdomains).",
        ),
        ("good", "other", NAME, "tls.key_file: {key} is not the key of {which}."),
        ("good", "rsa", NAME, "tls.key_file: {key} is not the key of {which}."),
        ("backwards", "key", NAME, "tls.key_file: {key} is not the key of {which}."),
        ("good", "locked", NAME, "tls.key_file: {key} is locked with a password"),
        ("good", "good", NAME, "tls.key_file: {key} holds no private key in PEM"),
        ("key", "key", NAME, "tls.certificate_file: {which} holds no certificate in PEM"),
        ("nothing", "key", NAME, "tls.certificate_file: {which} holds no certificate in PEM"),
        ("missing", "key", NAME, "tls.certificate_file: {which} cannot be read (no such file or directory)."),
        ("good", "missing", NAME, "tls.key_file: {key} cannot be read (no such file or directory)."),
    ],
)
def test_certificate_that_browsers_refuse_is_refused_with_file_and_reason(
    folder: Path, which: str, key: str, hostname: str, words: str
) -> None:
    with pytest.raises(certificate.RefusedError) as refused:
        certificate.look(str(folder / which), str(folder / key), hostname)
    assert str(refused.value).startswith(words.format(which=folder / which, key=folder / key))


def test_command_says_it_in_one_line(folder: Path) -> None:
    command = [sys.executable, certificate.__file__, str(folder / "expired"), str(folder / "key"), NAME]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout, len(answer.stderr.splitlines())) == (1, "", 1)
