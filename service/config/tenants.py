"""Who tenants are, and what the settings give each of them."""

from __future__ import annotations

from service.config.settings import Settings
from service.limits.tenants import OTHER_CALLS, TenantLimits
from service.security.authenticator import Authenticator, TokenRules
from service.security.credentials import read_jwks, read_keys


def limits_of(settings: Settings, *, asks: bool) -> TenantLimits:
    """What the settings give each tenant.

    Args:
        settings: The settings.
        asks: Whether callers are asked for keys: tenants have names then, and none of them gets more than half of what
            all may have unless the settings say so.
    """

    def share(own: int, of_all: int) -> int:
        return own or (max(1, of_all // 2) if asks else of_all)

    streams = share(settings.tenant_max_streams, settings.max_streams)
    uploads = share(settings.tenant_max_uploads, settings.max_uploads)
    calls = streams + uploads + share(0, OTHER_CALLS)
    sources = share(settings.tenant_max_sources, settings.max_sources)
    rates = settings.tenant_frames_per_s, settings.tenant_pixels_per_s
    return TenantLimits(streams, uploads, calls, *rates, max_sources=sources)


def authenticator_of(settings: Settings) -> Authenticator:
    """The authenticator that the settings ask for. Raises ConfigurationError where a file is not as it must be."""
    keys, jwks = settings.api_keys_file, settings.jwt_jwks_file
    rules = None
    if jwks is not None:
        rules = TokenRules(read_jwks(jwks), settings.jwt_issuer, settings.jwt_audience, settings.jwt_tenant_claim)
    return Authenticator(read_keys(keys) if keys is not None else None, rules)
