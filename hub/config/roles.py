"""Who may do what with the hub: for each the narrowest scopes that its work needs."""

from typing import Any

from traitlets.config import Config

from hub import opening
from hub.accounts import names
from hub.config.settings import Settings
from hub.people.pages import SCOPE as PEOPLE

GRADING = "access:services!service=grading"
FORMGRADER = "access:services!service=formgrader"
# Who comes into students' servers besides the first admin, by hub.may_open_servers.
OPENING = {
    "admin": [],
    "instructors": ["role-instructor"],
    "graders": ["role-instructor", "role-grader"],
}


def configure(c: Config, settings: Settings) -> None:
    c.JupyterHub.custom_scopes = {
        PEOPLE: {"description": "See who is in the class, let people in, and help them sign in."}
    }
    roles: list[dict[str, Any]] = [
        {"name": "user", "scopes": ["self", GRADING]},
        # What a student's server holds, and so what `tito` in it can do: hand in as its owner, no more.
        {"name": "server", "scopes": ["users:activity!user", "access:servers!server", GRADING]},
        # Whose a submission is comes with its own token; this is for an instructor's view of a class.
        {"name": "grading", "services": ["grading"], "scopes": ["list:users", "read:users:groups"]},
        # Who teaches or marks comes into formgrader; the admin may anyway. nbgrader's commands in there use
        # the service's own token: they hand notebooks to the sandbox and release what is released.
        {
            "name": "marking",
            "groups": ["role-instructor", "role-grader"],
            "scopes": [FORMGRADER],
        },
        {
            "name": "people",
            "users": [names.normalise(settings.admin)],
            "groups": ["role-instructor", "role-admin"],
            "scopes": [PEOPLE],
        },
        # Into servers that run, of students alone: neither starting nor stopping nor a token of theirs.
        {
            "name": "opening",
            "groups": OPENING[settings.may_open_servers],
            "scopes": [opening.STUDENTS],
        },
        # A roster's admin runs the class, and is an instructor, too: users, groups, stopping servers. Opening
        # instructors' servers, tokens of others and the hub itself stay with the first admin.
        {
            "name": "administering",
            "groups": ["role-admin"],
            "scopes": [
                "admin-ui",
                "admin:users",
                "admin:groups",
                "admin:servers",
                "list:users",
                "list:groups",
            ],
        },
        {"name": "formgrader", "services": ["formgrader"], "scopes": [GRADING]},
        {"name": "metrics", "services": ["prometheus"], "scopes": ["read:metrics"]},
        {"name": "routes", "services": ["routes"], "scopes": ["proxy"]},
        # Creating a user takes admin:users; there is no narrower scope for it.
        # It also tells grading who is in the class.
        {
            "name": "roster",
            "services": ["roster"],
            "scopes": ["admin:users", "admin:groups", GRADING],
        },
        # It starts servers ahead of a class, and can neither stop one nor look into it.
        {
            "name": "warm",
            "services": ["warm"],
            "scopes": ["list:users", "read:users:groups", "read:servers", "start:servers"],
        },
    ]
    if settings.idle_timeout:
        culling = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
        roles.append({"name": "idle-culler", "services": ["idle-culler"], "scopes": culling})
    c.JupyterHub.load_roles = roles
