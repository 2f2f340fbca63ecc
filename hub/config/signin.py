"""Who signs in: accounts of our own, whom the campus's provider names, or who comes from the LMS."""

from traitlets.config import Config

from hub import opening
from hub.accounts import names
from hub.accounts.authenticator import Accounts
from hub.config.settings import Settings
from hub.people import pages as people
from hub.roster import placing


def configure(c: Config, settings: Settings) -> None:
    admin = names.normalise(settings.admin)
    c.Accounts.self_registration = settings.self_registration
    c.Accounts.students_range = settings.students_range
    c.Accounts.admin_users = {admin}
    c.Accounts.first_passwords = {
        admin: settings.admin_password,
        names.PROBE: settings.probe_password,
    }
    grading = f"http://api:8300{settings.base_path}services/grading/api"
    c.Accounts.more_pages = [
        *people.handlers(grading, settings.roster_token),
        *placing.HANDLERS,
        *opening.HANDLERS,
    ]
    c.Accounts.auth_refresh_age = 300  # so long may a browser go on after its account was reset
    if settings.has_passwords:
        c.JupyterHub.authenticator_class = Accounts
        return

    # Imported where they are needed: 0.1 s that a hub with accounts does without.
    if settings.oidc:
        from hub.signin.authenticator import CampusSignIn

        c.JupyterHub.authenticator_class = CampusSignIn
        c.CampusSignIn.choices = settings.oidc
    else:
        from hub.launch.authenticator import LaunchSignIn

        c.JupyterHub.authenticator_class = LaunchSignIn
        c.LaunchSignIn.choices = settings.lti
    # Groups are asked for at each sign-in, and whom the campus shuts out is out here within a day.
    c.JupyterHub.cookie_max_age_days = 1
