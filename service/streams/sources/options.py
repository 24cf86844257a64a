"""What whoever adds a source may choose."""

from __future__ import annotations

from dataclasses import dataclass, field

from red_align.media.sources.opening import LiveLimits
from red_align.media.sources.reconnecting import Retries
from red_align.media.sources.rules import SourceRules


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """Where events are sent.

    Attributes:
        url: ``http`` or ``https``, with whatever secrets it has.
        secret: Key of the signatures.
    """

    url: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """A source.

    Attributes:
        url: Where it is, with name and password.
        tenant: Whose it is.
        max_faces: Most faces to follow at once.
        stride: Every stride-th frame is processed.
        webhook: Where events are sent; None for nowhere.
    """

    url: str = field(repr=False)
    tenant: str
    max_faces: int = 1
    stride: int = 1
    webhook: WebhookOptions | None = None


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """What holds for every source.

    Attributes:
        rules: What may be connected to.
        webhook_rules: Where events may be sent.
        max_sources: Most sources at once.
        events: Events of a source that are kept.
        idle_s: Seconds without a reader or webhook after which a source ends; 0 for never.
        times: Of its connections.
        retries: How it is tried again.
    """

    rules: SourceRules = field(default_factory=SourceRules)
    webhook_rules: SourceRules = field(default_factory=SourceRules)
    max_sources: int = 8
    events: int = 512
    idle_s: float = 300.0
    times: LiveLimits = field(default_factory=LiveLimits)
    retries: Retries = field(default_factory=Retries)
