"""certificate.py CERTIFICATE KEY NAME...: would a browser take them? If not, one sentence and exit code 1.

A name like *.campus.edu stands for any below campus.edu.

A handshake in memory asks OpenSSL itself. Whether the browser knows who signed is not asked: a campus's own
root is on its machines, not necessarily on this one. Runs by itself, on the classroom's machine.
"""

from __future__ import annotations

import contextlib
import ssl
import sys
from pathlib import Path

EXPIRED, TOO_EARLY, OTHER_NAME, OTHER_ADDRESS = 10, 9, 62, 64  # OpenSSL's X509_V_ERR_*
ANOTHERS_KEY = ("KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED")  # of another kind even
AGAIN = "Then run `make deploy` again."


class RefusedError(Exception):
    """What is wrong, and how to mend it."""


def look(certificate: str, key: str, *hostnames: str) -> None:
    """Raise RefusedError unless the certificate is for these names, is valid now, and the key is its own."""
    _readable("certificate_file", certificate)
    _readable("key_file", key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(certificate, key, password=_no_password)
    except _PasswordError:
        raise RefusedError(
            f"tls.key_file: {key} is locked with a password, which nobody is there to type. Take it off: "
            f"`openssl pkey -in {key} -out NEW.key`."
        ) from None
    except ssl.SSLError as error:
        if error.reason in ANOTHERS_KEY:
            raise RefusedError(
                f"tls.key_file: {key} is not the key of {certificate}. Name the one that the certificate was "
                "asked for with; in the certificate's file, the classroom's own must come first."
            ) from None
        raise RefusedError(_unreadable(certificate, key)) from None
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the certificate itself is enough to start from
    client.load_verify_locations(certificate)
    for hostname in hostnames:
        _ask_for(hostname, client, server, certificate)


def _ask_for(hostname: str, client: ssl.SSLContext, server: ssl.SSLContext, certificate: str) -> None:
    try:
        _handshake(client, server, hostname.replace("*", "anybody"))
    except ssl.SSLError as error:
        setting = "network.subdomains" if "*" in hostname else "network.hostname"
        anothers = f"is not for {hostname} ({setting}). Ask for one that is, or correct the setting."
        what = {
            EXPIRED: f"has expired. Renew it. {AGAIN}",
            TOO_EARLY: "is not valid yet. Check the machine's clock, or wait for its first day.",
            OTHER_NAME: anothers,
            OTHER_ADDRESS: anothers,
        }.get(
            getattr(error, "verify_code", 0),
            f"would be refused by browsers ({error.reason}). Ask for another.",
        )
        raise RefusedError(f"tls.certificate_file: {certificate} {what}") from None


def _readable(setting: str, path: str) -> None:
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise RefusedError(
            f"tls.{setting}: {path} cannot be read ({(error.strerror or 'unreadable').lower()}). "
            "Put the file there, or correct the path in the settings."
        ) from None


class _PasswordError(Exception):
    pass


def _no_password() -> str:
    raise _PasswordError


def _unreadable(certificate: str, key: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except ssl.SSLError:
        setting, path, what, header = "certificate_file", certificate, "certificate", "BEGIN CERTIFICATE"
    else:
        setting, path, what, header = "key_file", key, "private key", "BEGIN PRIVATE KEY"
    return (
        f"tls.{setting}: {path} holds no {what} in PEM (text with {header}). "
        "Convert it, or name the right file."
    )


def _handshake(client: ssl.SSLContext, server: ssl.SSLContext, hostname: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    browser = client.wrap_bio(to_client, to_server, server_hostname=hostname)
    edge = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (browser, edge):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()


if __name__ == "__main__":
    try:
        look(*sys.argv[1:])
    except RefusedError as refused:
        sys.exit(str(refused))
