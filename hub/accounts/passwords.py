"""Making, hashing and judging passwords."""

import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

SHORTEST = 10
LONGEST = 200  # hashing takes longer with length; nobody types more
FEWEST_SIGNS = 5
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else on paper

# OWASP's argon2id: 15 ms and 19 MiB. A class of 100 that signs in at once must take neither the hub's memory
# nor its minute.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Checked in place of an unknown user's, so that the time taken does not tell which names exist.
_nobody = _hasher.hash(secrets.token_hex())


def hashed(password: str) -> str:
    """The hash to keep of a password."""
    return _hasher.hash(_same_everywhere(password))


def matches(hash_kept: str | None, password: str) -> bool:
    """Whether the password belongs to the hash; takes as long where there is none."""
    try:
        right = _hasher.verify(hash_kept or _nobody, _same_everywhere(password[:LONGEST]))
    except (Argon2Error, InvalidHashError):
        return False
    return right and hash_kept is not None


def one_time() -> str:
    """A password to be handed out once: 59 bits in three groups that can be read aloud."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(3))


def fault(password: str, username: str) -> str | None:
    """Why a chosen password will not do, in words for the person who chose it, or None."""
    if len(password) < SHORTEST:
        return f"Use at least {SHORTEST} characters. A few words in a row are easy to remember."
    if len(password) > LONGEST:
        return f"Use at most {LONGEST} characters."
    if len(set(password.lower())) < FEWEST_SIGNS:
        return f"Use at least {FEWEST_SIGNS} different characters."
    if username in password.lower() and len(password) - len(username) < SHORTEST:
        return "Leave your username out of it: it is the first thing that is guessed."
    return None


def _same_everywhere(password: str) -> str:
    """One keyboard sends an accented letter as one sign, another as two: the hash is of the composed form."""
    return unicodedata.normalize("NFC", password)
