"""What the formats that config/schema.yml names accept: a path, a subnet, an image's name, ..."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from config.units import parse_share, parse_size

Test = Callable[[str], bool]

# Control groups and systemd slices of these names belong to the system or to container engines.
RESERVED_NAMES = {"buildkit", "docker", "init", "kubepods", "lxc", "machine", "system", "user"}
# Signs in when the classroom tests itself.
PROBE_USER = "classroom-probe"
SYSTEM_FOLDERS = {"bin", "boot", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys", "usr"}
# 100.64.0.0/10 is shared by carriers: private in practice, though not by name.
CARRIERS = ipaddress.IPv4Network("100.64.0.0/10")

_IMAGE_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE_DIGEST = r"@sha256:[0-9a-f]{64}"
_IMAGE = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"  # a registry
    rf"{_IMAGE_PART}(?:/{_IMAGE_PART})*"
    rf"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}(?:{_IMAGE_DIGEST})?|{_IMAGE_DIGEST})"
)


def _matches(pattern: str) -> Test:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _parses(parse: Callable[[str], object]) -> Test:
    def test(value: str) -> bool:
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return test


def _subnet(longest_prefix: int) -> Test:
    def test(value: str) -> bool:
        try:
            network = ipaddress.IPv4Network(value)
        except ValueError:
            return False
        private = network.is_private or network.subnet_of(CARRIERS)
        special = network.is_loopback or network.is_link_local or network.is_unspecified
        return "/" in value and private and not special and 16 <= network.prefixlen <= longest_prefix

    return test


_classroom_name = _matches(r"[a-z](?:-?[a-z0-9]){0,29}")
_username = _matches(r"[a-z0-9][a-z0-9._@-]{0,63}")
# These mean something in the environment file that compose reads, or on a page.
_page_title = _matches(r"[^\x00-\x1f\x7f\x85\u2028\u2029$\"\\<>`]{1,80}")
_https = _matches(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~%/-]*)?")
# What a provider calls a group: a name, a path, an address, a number; it may have blanks.
_campus_group = _matches(r"[^\x00-\x1f\x7f\x85\u2028\u2029]{1,200}")
# A group of the hub's: what the roster makes of a section is of any script, without blanks.
_hub_group = _matches(r"[^\s\x00-\x1f\x7f\x85,]{1,200}")
_sentence = _matches(r"[^\x00-\x1f\x7f\x85\u2028\u2029]{1,200}")
_host_name = _matches(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_path_characters = _matches(r"(?:/[A-Za-z0-9._-]+)+")


def _path(value: str) -> bool:
    return _path_characters(value) and not {".", ".."} & set(value.split("/"))


def _hostname(value: str) -> bool:
    """A name of the DNS, or an IPv4 address; something like 1.2.3 is neither."""
    if value.replace(".", "").isdigit():
        return _parses(ipaddress.IPv4Address)(value)
    return len(value) <= 253 and _host_name(value)


def _trusted(value: str) -> bool:
    """One web server, or a network of some: half the internet is a mistake."""
    try:
        return ipaddress.IPv4Network(value).prefixlen >= 8
    except ValueError:
        return False


def _state_path(value: str) -> bool:
    """A folder of its own: `make undeploy PURGE=yes` deletes it whole."""
    folders = value.split("/")[1:]
    own = len(folders) >= 3 or (len(folders) == 2 and folders[0] not in ("home", "var"))
    return _path(value) and own and folders[0] not in SYSTEM_FOLDERS


FORMATS: dict[str, Test] = {
    "absolute-path": _path,
    "base-path": _matches(r"/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*"),
    "campus-group": lambda value: _campus_group(value) and value == value.strip(),
    "classroom-name": lambda value: (
        _classroom_name(value) and len(value) <= 30 and value not in RESERVED_NAMES
    ),
    "domain": _matches(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+"),
    "duration": _matches(r"[1-9][0-9]{0,4}[hdwy]"),
    "email": _matches(r"[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?"),
    "hostname": _hostname,
    "hub-group": _hub_group,
    "https-address": _https,
    "image-name": lambda value: len(value) <= 255 and re.fullmatch(_IMAGE, value) is not None,
    "ipv4": _parses(ipaddress.IPv4Address),
    "issuer": _https,
    "page-title": lambda value: _page_title(value) and value == value.strip(),
    "profile-name": lambda value: (
        _classroom_name(value) and len(value) <= 30 and value not in ("student", "instructor")
    ),
    "sentence": lambda value: _sentence(value) and value == value.strip(),
    "services-subnet": _subnet(24),
    "share": _parses(parse_share),
    "size": _parses(parse_size),
    "size-or-share": lambda value: _parses(parse_share)(value) or _parses(parse_size)(value),
    "state-path": _state_path,
    "students-subnet": _subnet(28),
    "time-of-day": _matches(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"),
    "trusted-address": _trusted,
    "username": lambda value: _username(value) and value != PROBE_USER,
    "web-address": _matches(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~%/-]*)?"),
    "word": _matches(r"[!-~]{1,200}"),
}
