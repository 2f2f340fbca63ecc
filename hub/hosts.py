"""Whose host name is whose, where everybody has one of their own (network.subdomains).

JupyterHub's own way, for names that are no host names, keeps 28 bits of a hash: within minutes somebody who
may choose a username finds one that gets another's host, and one host is one origin. Here two never meet.
"""

import hashlib
import re
from urllib.parse import urlsplit

PLAIN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")  # no two hyphens in a row: those are ours
LONGEST = 63
STUB = 20  # characters of a name that is no host name, for people to know it by


def name_of(name: str, domain: str, kind: str) -> str:
    """The host name of a user or a service below the hub's; JupyterHub's `subdomain_hook`."""
    if kind == "service":
        return f"{name}--service.{domain}"
    if PLAIN.fullmatch(name) and len(name) <= LONGEST:
        return f"{name}.{domain}"
    stub = re.sub(r"[^a-z0-9]", "", name)[:STUB]
    # 'u-': no label may have hyphens in the third and fourth place.
    return f"u-{stub}--{hashlib.sha256(name.encode()).hexdigest()[:32]}.{domain}"


def origin_of(user: str, hub: str) -> str:
    """Where the server of a user is; `hub` is the hub's origin, empty where all share one."""
    return urlsplit(hub)._replace(netloc=name_of(user, urlsplit(hub).netloc, "user")).geturl() if hub else ""


def below(hub: str) -> str:
    """All origins but the hub's own, as a policy writes them; nothing where all share one."""
    return urlsplit(hub)._replace(netloc=f"*.{urlsplit(hub).netloc}").geturl() if hub else ""
