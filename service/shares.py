"""What each tenant may have, from the settings."""

from __future__ import annotations

from service.config.settings import Settings
from service.limits.tenants import OTHER_CALLS, TenantLimits


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
    return TenantLimits(streams, uploads, calls, settings.tenant_frames_per_s, settings.tenant_pixels_per_s)
