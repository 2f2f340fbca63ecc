"""What differs between the providers that campuses use: which claims hold what, and what to ask for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """A provider's ways. `domain_claim`: where it says whose account it is; None: the verified address."""

    username_claim: str = "preferred_username"
    groups_claim: str = "groups"
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    domain_claim: str | None = None


PRESETS = {
    # https://openid.net/specs/openid-connect-core-1_0.html#StandardClaims
    "generic": Preset(),
    # Groups need a mapper "Group Membership" at the client; with "Full group path" a group is /cs101/staff.
    # https://www.keycloak.org/docs/latest/server_admin/#_protocol-mappers
    "keycloak": Preset(),
    # preferred_username is the UPN; groups are object ids, once the app registration asks for the claim.
    # https://learn.microsoft.com/en-us/entra/identity-platform/id-token-claims-reference
    # https://learn.microsoft.com/en-us/entra/identity-platform/optional-claims
    "entra": Preset(),
    # No groups. `hd` is there for accounts that a domain manages; an address alone shows nothing.
    # https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload
    "google": Preset(username_claim="email", domain_claim="hd"),
    # Most Shibboleth campuses. eppn comes with CILogon's own scope, and not from every campus.
    # https://www.cilogon.org/oidc
    "cilogon": Preset(
        username_claim="eppn",
        groups_claim="isMemberOf",
        scopes=("openid", "profile", "email", "org.cilogon.userinfo"),
    ),
}
