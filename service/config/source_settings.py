"""Settings of sources that the service pulls itself: cameras and broadcasts."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from red_align.errors import ConfigurationError
from red_align.media.sources.opening import LiveLimits
from red_align.media.sources.reconnecting import Retries
from red_align.media.sources.rules import parse_rules
from service.config.files import refused
from service.streams.sources.options import SourceLimits


def _readable(text: str) -> str:
    try:
        parse_rules(text)
    except ConfigurationError as error:
        raise refused(error.message) from error
    return text


AllowList = Annotated[str, AfterValidator(_readable)]


class SourceSettings(BaseSettings):
    """Part of service.config.settings.Settings."""

    sources: AllowList = Field(
        "",
        description="Cameras and broadcasts that may be pulled (POST /v1/sources), by comma: rtsp://cam.example.org, "
        "https://*.example.org, rtsp://10.0.0.0/8, rtsp://[fd00::]/8, https://*; with :port or :* for other ports than "
        "the scheme's. Addresses that are not public must be listed as such. Empty for none.",
    )
    source_webhooks: AllowList = Field(
        "", description="Where events of sources may be sent, as in RED_SOURCES, with http:// and https:// alone."
    )
    max_sources: int = Field(8, ge=1, description="Most sources at once.")
    tenant_max_sources: int = Field(
        0, ge=0, description="Most sources of one tenant; 0 is half of RED_MAX_SOURCES where keys are asked for."
    )
    source_events: int = Field(
        512, ge=16, description="Latest events of a source that are kept for its readers; about 3 KB each and face."
    )
    source_idle_s: float = Field(
        300.0, ge=0, description="Seconds without a reader after which a source without a webhook ends; 0 for never."
    )
    source_connect_s: float = Field(
        10.0, gt=0, le=60, description="Timeout in seconds of connecting to a source, and of its first frame."
    )
    source_stall_s: float = Field(
        10.0, gt=0, le=300, description="Seconds without anything new after which a source is taken for lost."
    )
    source_retry_s: float = Field(
        30.0,
        gt=0,
        description="Longest pause in seconds before a source is connected to again; they begin at half one.",
    )
    source_give_up_s: float = Field(
        600.0, ge=0, description="Seconds without a connection after which a source is given up; 0 for never."
    )

    def source_limits(self) -> SourceLimits:
        """What holds for every source."""
        return SourceLimits(
            parse_rules(self.sources),
            parse_rules(self.source_webhooks),
            self.max_sources,
            self.source_events,
            self.source_idle_s,
            LiveLimits(self.source_connect_s, self.source_stall_s),
            Retries(self.source_retry_s, self.source_give_up_s),
        )
