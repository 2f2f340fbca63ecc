"""The key by which an LMS knows that this classroom asks. Made once; its public half is for everybody."""

import json
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

NAME = "lti-key.pem"  # beside the accounts' file


class Key:
    """An RSA key in a file that its owner alone can read."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            _write(path)
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError(f"{path} is no RSA key")
        self._key = key
        digest = Hash(SHA256())
        digest.update(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        self._name = digest.finalize().hex()[:16]

    def public(self) -> dict[str, Any]:
        """The public half, as a JSON Web Key."""
        told = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        del told["key_ops"]  # `use` says it
        return {**told, "kid": self._name, "alg": "RS256", "use": "sig"}

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._name})


def _write(path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    new = path.with_suffix(".new")
    new.touch(0o600)
    new.write_bytes(text)
    new.replace(path)
