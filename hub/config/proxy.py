"""Where requests come in: the proxy in its own container, which outlives the hub."""

from traitlets.config import Config

from hub import hosts
from hub.config.settings import Settings


def configure(c: Config, settings: Settings) -> None:
    c.JupyterHub.bind_url = f"http://:8000{settings.base_path}"
    c.JupyterHub.subdomain_host = settings.origin
    c.JupyterHub.subdomain_hook = hosts.name_of
    # A student's server can set cookies for the hub's host, which is above it, but none whose name begins so.
    # Where all share a host, every student's server would be sent these. Browsers take them by https only.
    c.JupyterHub.cookie_host_prefix_enabled = settings.origin.startswith("https:")
    c.JupyterHub.hub_bind_url = "http://0.0.0.0:8081"
    c.JupyterHub.hub_connect_url = "http://hub:8081"  # the hub's name on the services' network
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.api_url = "http://proxy:8001"  # its token is in CONFIGPROXY_AUTH_TOKEN
    c.Proxy.check_routes_interval = 60  # a lost route is back after a minute, if all else fails
    c.JupyterHub.tornado_settings = {
        "cookie_options": {"samesite": "Lax"},  # they are HttpOnly by themselves
        # The hub's pages carry the token in themselves: no script needs the cookie.
        "xsrf_cookie_kwargs": {"samesite": "Lax", "httponly": True},
        "headers": {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"},
    }
