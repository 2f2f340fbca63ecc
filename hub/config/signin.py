"""Who signs in: accounts of our own."""

from traitlets.config import Config

from hub.accounts import names
from hub.accounts.authenticator import Accounts
from hub.config.settings import Settings


def configure(c: Config, settings: Settings) -> None:
    c.JupyterHub.authenticator_class = Accounts
    c.Accounts.self_registration = settings.self_registration
    c.Accounts.students_range = settings.students_range
    admin = names.normalise(settings.admin)
    c.Accounts.admin_users = {admin}
    c.Accounts.first_passwords = {
        admin: settings.admin_password,
        names.PROBE: settings.probe_password,
    }
    c.Accounts.auth_refresh_age = 300  # so long may a browser go on after its account was reset
