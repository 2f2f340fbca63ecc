"""Checks settings against each other and against the machine, once each of them is right by itself.

Every function yields (keys that disagree, sentences); the message goes to the first of them that is set.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from config.units import describe_size, format_size, parse_size

Settings = dict[str, Any]
Found = Iterator[tuple[tuple[str, ...], str]]

# Memory of the ceiling that students cannot take: the classroom's own services need about 0.7G.
SERVICES_MEMORY = parse_size("1G")
ALL_ADDRESSES = IPv4Address(0)
# The groups that a roster makes of roles.
ROLES = ("role-student", "role-assistant", "role-grader", "role-instructor", "role-admin")


def contradictions(settings: Settings) -> Found:
    """What does not fit together, whatever the machine."""
    yield from _addresses(settings)
    yield from _campus(settings)
    yield from _certificate(settings)
    yield from _subdomains(settings)
    yield from _backup_within(settings)
    yield from _profiles(settings)
    memory, cpus = settings["ceiling"]["memory"], settings["ceiling"]["cpus"]
    if memory is not None and not memory.endswith("%"):
        yield from _too_little_memory(settings, parse_size(memory), f"ceiling.memory is {memory!r}")
    for key, whose, server in servers(settings):
        if isinstance(cpus, (int, float)) and cpus < (server["cpus"] or 0):
            yield (
                ("ceiling.cpus",),
                f"ceiling.cpus is {cpus:g}, less than {whose} {server['cpus']:g} ({key}.cpus). "
                "Raise the one or lower the other.",
            )


def beyond_the_machine(settings: Settings, machine: tuple[int, int], ceiling: tuple[int, float]) -> Found:
    """What this machine cannot hold.

    Args:
        settings: settings without contradictions.
        machine: bytes of memory and number of CPUs that the machine has.
        ceiling: what the settings' ceiling comes to on this machine: bytes of memory, CPUs.
    """
    asked = settings["ceiling"]["memory"]
    memory, cpus = ceiling
    has = describe_size(machine[0])
    if memory > machine[0]:
        yield (
            ("ceiling.memory",),
            f"ceiling.memory is {asked!r}, but the machine has {has}. Lower it, or write a share like 80%.",
        )
    elif asked is None or asked.endswith("%"):
        says = f"ceiling.memory is {asked or '80%'} of the machine's {has}, {describe_size(memory)}"
        yield from _too_little_memory(settings, memory, says)
    if cpus > machine[1]:
        yield (
            ("ceiling.cpus",),
            f"ceiling.cpus is {cpus:g}, but the machine has {machine[1]}. "
            "Lower it, or write a share like 50%.",
        )
        return
    for key, _, server in servers(settings):
        if cpus < (server["cpus"] or 0):
            yield (
                (f"{key}.cpus", "ceiling.cpus"),
                f"{key}.cpus is {server['cpus']:g}, but the classroom has {cpus:g} of the "
                f"machine's {machine[1]} CPUs (ceiling.cpus). Lower {key}.cpus.",
            )


def servers(settings: Settings) -> Iterator[tuple[str, str, Settings]]:
    """Every kind of server, as (its key, whose it is, its own settings)."""
    yield "student", "one student's", settings["student"]
    yield "instructor", "one instructor's", settings["instructor"]
    for name, profile in settings["profiles"].items():
        yield f"profiles.{name}", f"one {name}'s", profile


def _profiles(settings: Settings) -> Found:
    for name, profile in settings["profiles"].items():
        key = f"profiles.{name}"
        memory = profile["memory"] or settings["student"]["memory"]
        if profile["guarantee"] and parse_size(profile["guarantee"]) > parse_size(memory):
            yield (
                (f"{key}.guarantee",),
                f"{key}.guarantee is {profile['guarantee']!r}, more than its memory, {memory}. "
                "Lower the one or raise the other.",
            )
        gpus = settings["ceiling"]["gpus"]
        if profile["gpus"] > gpus:
            yield (
                (f"{key}.gpus",),
                f"{key}.gpus is {profile['gpus']}, but the classroom may give out {gpus} (ceiling.gpus). "
                "Raise the one or lower the other.",
            )
        for group in profile["groups"]:
            if group.startswith("role-") and group not in ROLES:
                yield (
                    (f"{key}.groups",),
                    f"{key}.groups holds {group!r}, but no roster makes that. There are: {', '.join(ROLES)}.",
                )


def _backup_within(settings: Settings) -> Found:
    state, to = settings["state"], settings["backup"]["to"]
    if to is not None and (
        to == state or f"{to}/".startswith(f"{state}/") or f"{state}/".startswith(f"{to}/")
    ):
        yield (
            ("backup.to", "state"),
            f"backup.to, {to}, and the state folder, {state}, lie within each other: what ends the one would "
            "end the other. Choose a folder elsewhere.",
        )


def _addresses(settings: Settings) -> Found:
    network, monitoring = settings["network"], settings["monitoring"]
    services, students = IPv4Network(network["services_subnet"]), IPv4Network(network["students_subnet"])
    if services.overlaps(students):
        yield (
            ("network.students_subnet", "network.services_subnet"),
            f"network.students_subnet, {students}, overlaps network.services_subnet, {services}. "
            "Choose two networks that share no address.",
        )
    pages, figures = IPv4Address(network["address"]), IPv4Address(monitoring["address"])
    for key, address in (("network.address", pages), ("monitoring.address", figures)):
        for name, subnet in (("services_subnet", services), ("students_subnet", students)):
            if address in subnet:
                yield (
                    (key, f"network.{name}"),
                    f"{key}, {address}, lies in network.{name}, {subnet}, which the classroom uses inside. "
                    "Write an address of the machine itself, or choose another subnet.",
                )
    meet = pages == figures or ALL_ADDRESSES in (pages, figures)
    for key in doors(settings):
        group, name = key.split(".")
        if monitoring["enabled"] and meet and monitoring["port"] == settings[group][name]:
            yield (
                ("monitoring.port", key),
                f"monitoring.port is {monitoring['port']}, which {key} has taken. "
                "Choose another for one of the two.",
            )
    for trusted in map(IPv4Network, network["trusted_proxies"]):
        if trusted.overlaps(students):
            yield (
                ("network.trusted_proxies", "network.students_subnet"),
                f"network.trusted_proxies holds {trusted}, which overlaps network.students_subnet, "
                f"{students}: a student's server would be believed. Name the web servers' own addresses.",
            )


def doors(settings: Settings) -> tuple[str, ...]:
    """The settings of the ports that browsers come to."""
    with_tls = settings["tls"]["certificate"] != "none"
    return ("tls.https_port", "tls.http_port") if with_tls else ("network.port",)


def _certificate(settings: Settings) -> Found:
    tls, hostname = settings["tls"], settings["network"]["hostname"]
    source = tls["certificate"]
    says = f"tls.certificate is {source}"
    if source != "none" and hostname is None:
        yield (
            ("tls.certificate",),
            f"{says}, but network.hostname is not set. Write the name that browsers use, like "
            "classroom.campus.edu.",
        )
    if source == "acme" and hostname and is_address(hostname):
        yield (
            ("network.hostname", "tls.certificate"),
            f"{says}, but network.hostname is {hostname}, and ACME gives certificates for names. "
            "Write a name, or set tls.certificate: internal.",
        )
    if source == "acme" and tls["acme_email"] is None:
        yield (
            ("tls.certificate",),
            f"{says}, but tls.acme_email is not set. Write whom the ACME server's owners should tell.",
        )
    for key in ("certificate_file", "key_file"):
        if source == "files" and tls[key] is None:
            yield ("tls.certificate",), f"{says}, but tls.{key} is not set. Write where the file is."
        if source != "files" and tls[key] is not None:
            yield (
                (f"tls.{key}",),
                f"tls.{key} is set, but {says}, which does not read it. "
                "Set tls.certificate: files, or take the line out.",
            )
    if source != "none" and tls["https_port"] == tls["http_port"]:
        yield (
            ("tls.http_port", "tls.https_port"),
            f"tls.http_port is {tls['http_port']}, which tls.https_port has taken. Choose another for one of "
            "the two.",
        )


def is_address(hostname: str) -> bool:
    """Whether a host name is an IPv4 address."""
    return hostname.replace(".", "").isdigit()


def _subdomains(settings: Settings) -> Found:
    network = settings["network"]
    if not network["subdomains"]:
        return
    hostname, key = network["hostname"], "network.subdomains"
    if hostname is None:
        yield (
            (key,),
            "network.subdomains is true, but network.hostname is not set. Write the name below which "
            "everybody gets one, like classroom.campus.edu.",
        )
    elif is_address(hostname):
        yield (
            ("network.hostname", key),
            f"network.subdomains is true, but network.hostname is {hostname}, and no name lies below an "
            "address. Write a name like classroom.campus.edu, or set network.subdomains: false.",
        )
    elif "." not in hostname:
        yield (
            ("network.hostname", key),
            f"network.subdomains is true, but network.hostname is {hostname}, one word alone: below it "
            "browsers share no sign-in and take no certificate. Write a name like classroom.campus.edu.",
        )
    if settings["tls"]["certificate"] == "acme":
        yield (
            ("tls.certificate", key),
            "tls.certificate is acme, which gets no certificate for all names below network.hostname, and "
            "network.subdomains needs one. Get a wildcard certificate and set tls.certificate: files, or set "
            "network.subdomains: false.",
        )


def _campus(settings: Settings) -> Found:
    way, registration = settings["hub"]["auth"], settings["hub"]["self_registration"]
    if way != "accounts":
        group, needed = {
            "oidc": ("oidc", ("issuer", "client_id", "secret_file")),
            "lti13": ("lti", ("issuer", "client_id", "authorize_url", "keys_url", "deployments")),
        }[way]
        for name in needed:
            if not settings[group][name]:
                yield (
                    ("hub.auth",),
                    f"hub.auth is {way!r}, but {group}.{name} is missing. Add it, or set hub.auth: accounts.",
                )
    if way == "oidc" and registration == "approval":
        yield (
            ("hub.self_registration",),
            "hub.self_registration is 'approval', but with hub.auth: oidc nobody asks for an account here. "
            "Write closed (who is on the roster) or open (whomever the provider signs in).",
        )
    if way == "lti13" and registration != "closed":
        yield (
            ("hub.self_registration",),
            f"hub.self_registration is {registration!r}, but with hub.auth: lti13 nobody makes an account "
            "here. Write closed; lti.courses and lti.roster_only say who gets in.",
        )
    network = settings["network"]
    in_front = network["hostname"] and network["trusted_proxies"]
    if way == "lti13" and settings["tls"]["certificate"] == "none" and not in_front:
        yield (
            ("hub.auth",),
            "hub.auth is 'lti13', but the classroom has no https, and an LMS launches nothing else. Set "
            "tls.certificate, or network.hostname and network.trusted_proxies with a web server in front.",
        )


def _too_little_memory(settings: Settings, ceiling: int, says: str) -> Found:
    """`says` how large the ceiling is; the sentence goes on with the larger of what does not fit under it."""
    left = ceiling - SERVICES_MEMORY
    takers = [
        (f"{key}.memory", f"{whose} server", parse_size(server["memory"]))
        for key, whose, server in servers(settings)
        if server["memory"]
    ]
    sandbox = parse_size(settings["grading"]["sandbox_memory"])
    takers.append(("grading.sandbox_memory", "one submission", sandbox))
    key, who, need = max(takers, key=lambda taker: taker[2])  # the first of equals
    if left < need:
        yield (
            ("ceiling.memory", key),
            f"{says}, which leaves {describe_size(left) if left > 0 else 'nothing'} beside "
            f"{format_size(SERVICES_MEMORY)} for the classroom's own services, but {who} may use "
            f"{format_size(need)} ({key}). Lower {key}, or raise ceiling.memory to "
            f"{format_size(need + SERVICES_MEMORY)}.",
        )
