"""Making, hashing and judging passwords."""

import secrets
import unicodedata

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError

SHORTEST = 10
LONGEST = 200  # hashing takes longer with length; nobody types more
FEWEST_SIGNS = 5
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else on paper

# OWASP's argon2id: 15 ms and 19 MiB. A class of 100 that signs in at once must take neither the hub's memory
# nor its minute.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# A one-time password is 59 random bits: at 10^8 guesses a second, a century. It needs no more than this, and
# a class of a thousand gets them at once. `matches` hides the difference in time.
QUICK_KIB = 1024
_quick = PasswordHasher(time_cost=1, memory_cost=QUICK_KIB, parallelism=1)
# Checked in place of an unknown user's, so that the time taken does not tell which names exist.
_nobody = _hasher.hash(secrets.token_hex())


def hashed(password: str) -> str:
    """The hash to keep of a password that somebody chose."""
    return _hasher.hash(_same_everywhere(password))


def hashed_one_time(password: str) -> str:
    """The hash to keep of a password that `one_time` made; a chosen one would be too weak for it."""
    return _quick.hash(password)


def matches(hash_kept: str | None, password: str) -> bool:
    """Whether the password belongs to the hash; takes as long where there is none."""
    typed = _same_everywhere(password[:LONGEST])
    right = hash_kept is not None and _verified(hash_kept, typed)
    if hash_kept is None or _is_quick(hash_kept):
        _verified(_nobody, typed)
    return right


def _is_quick(hash_kept: str) -> bool:
    try:
        return extract_parameters(hash_kept).memory_cost == QUICK_KIB
    except InvalidHashError:
        return False


def _verified(hash_kept: str, password: str) -> bool:
    try:
        return _hasher.verify(hash_kept, password)
    except (Argon2Error, InvalidHashError):
        return False


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
