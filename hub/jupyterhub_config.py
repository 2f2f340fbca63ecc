"""The hub of a classroom, for `jupyterhub -f`. Each concern has a file of its own in hub/config."""

import sys

from hub import upgrading
from hub.config import database, limits, metrics, pages, proxy, roles, services, signin, spawner, survival
from hub.config.settings import Settings, SettingsError

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub puts it here

try:
    settings = Settings.from_environment()
    upgrading.bring_up_to_date(database.FILE)
except (SettingsError, upgrading.UpgradeError) as error:
    sys.exit(f"The hub cannot start: {error}")

for concern in (signin, spawner, limits, survival, database, proxy, services, roles, pages, metrics):
    concern.configure(c, settings)
