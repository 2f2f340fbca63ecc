"""What a username may look like, and how what a person types becomes one."""

import re
import unicodedata

# \Z and not $: JupyterHub matches without looking behind a final newline.
PATTERN = r"^[a-z0-9](?:[a-z0-9._@-]{0,62}[a-z0-9])?\Z"
HINT = "Use 1 to 64 of a-z, 0-9, '.', '_', '-' and '@', beginning and ending with a letter or digit"
PROBE = "classroom-probe"  # signs in after each deploy to show that everything works

# Joiners that some scripts need inside a name; every other invisible character is dropped.
JOINERS = "\u200c\u200d"


def normalise(text: str) -> str:
    """The username that `text` means: 'S-0042 ' and 's-0042' are one person.

    Invisible characters go (a right-to-left mark pasted from a spreadsheet must not make a second account);
    letters and digits of full width and the like become plain ones.
    """
    signs = unicodedata.normalize("NFKC", text)
    return "".join(s for s in signs if unicodedata.category(s) not in ("Cf", "Cc")).strip().casefold()


def is_valid(username: str) -> bool:
    """Whether a normalised username can be one."""
    return re.match(PATTERN, username) is not None


def display(text: str) -> str:
    """A person's name as it is kept: any script, but no control characters nor marks that turn text."""
    composed = unicodedata.normalize("NFC", text)
    kept = (s for s in composed if s in JOINERS or unicodedata.category(s) not in ("Cf", "Cc", "Co", "Cs"))
    return " ".join("".join(kept).split())
