"""Who signs in: accounts of our own."""

from traitlets.config import Config

from hub.accounts import names
from hub.accounts.authenticator import Accounts
from hub.config.settings import Settings
from hub.people import pages as people


def configure(c: Config, settings: Settings) -> None:
    c.JupyterHub.authenticator_class = Accounts
    c.Accounts.self_registration = settings.self_registration
    admin = names.normalise(settings.admin)
    c.Accounts.admin_users = {admin}
    c.Accounts.first_passwords = {
        admin: settings.admin_password,
        names.PROBE: settings.probe_password,
    }
    c.Accounts.more_pages = people.handlers(
        f"http://api:8300{settings.base_path}services/grading/api", settings.roster_token
    )
    c.Accounts.auth_refresh_age = 300  # so long may a browser go on after its account was reset
