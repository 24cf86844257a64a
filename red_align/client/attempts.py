"""Which server to try next, after what pause, and when to give up. No clock of its own and no connection."""

from __future__ import annotations

import random
from collections.abc import Sequence

from red_align.client.access import Address
from red_align.client.errors import ServerTimeout, ServerUnreachable
from red_align.errors import (
    BadResumeToken,
    ClientTooSlow,
    DecoderLost,
    GoingAway,
    NotReady,
    Overloaded,
    RedAlignError,
    SequenceUnknown,
    StreamBusy,
)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
_ELSEWHERE = (ServerUnreachable, ServerTimeout, NotReady, GoingAway, DecoderLost, Overloaded)
"""What another server may do better, also at the very beginning."""
_PASSING = (*_ELSEWHERE, StreamBusy, SequenceUnknown, ClientTooSlow, BadResumeToken)
"""What may be over in a moment, for a stream that was under way."""


class Attempts:
    """The addresses of one stream or clip, taken in turn.

    Args:
        addresses: Of servers, the preferred one first.
        give_up_s: Seconds from the first failure in a row to the last attempt, for a stream that was under way. Before
            that every address is tried once.
    """

    def __init__(self, addresses: Sequence[Address], give_up_s: float) -> None:
        self._addresses, self._give_up_s = addresses, give_up_s
        self._at = self._failures = 0
        self._since: float | None = None
        self._refused: dict[Address, BadResumeToken] = {}
        self._begun = self._answered = False

    @property
    def address(self) -> Address:
        """The server to try now."""
        return self._addresses[self._at]

    def connected(self) -> None:
        """The server at ``address`` is there and fits: the stream is under way."""
        self._failures, self._since, self._begun = 0, None, True

    def succeeded(self) -> None:
        """The server at ``address`` answered."""
        self.connected()
        self._answered = True
        self._refused.clear()

    def failed(self, error: RedAlignError, now_s: float) -> float:
        """The server at ``address`` failed: go to the next one.

        Args:
            error: How.
            now_s: Seconds of a clock that grows.

        Returns:
            Seconds to wait before the next attempt.

        Raises:
            RedAlignError: The error, where trying again is of no use or was tried for long enough.
        """
        if not isinstance(error, _PASSING if self._begun else _ELSEWHERE):
            raise error
        self._failures += 1
        self._since = now_s if self._since is None else self._since
        if isinstance(error, BadResumeToken):
            self._refused[self.address] = error
            if self._refused.keys() == set(self._addresses):
                raise _not_theirs(error)
        self._at = (self._at + 1) % len(self._addresses)
        rounds, left = divmod(self._failures, len(self._addresses))
        if not self._begun or (isinstance(error, Overloaded) and not self._answered):
            if rounds:
                raise error
            return 0.0
        if now_s - self._since >= self._give_up_s:
            for refusal in self._refused.values():  # Who is there, and does not know the stream, says most.
                raise _not_theirs(refusal)
            error.message = f"the stream could not go on for {self._give_up_s:g} s: {error.message}"
            error.args = (error.message,)
            raise error
        # A little by chance, so that the clients of a server that was lost do not all come back at once.
        pause: float = min(FIRST_PAUSE_S * 2 ** min(rounds - 1, 10), LONGEST_PAUSE_S) * random.uniform(0.75, 1.25)
        return 0.0 if left else pause


def _not_theirs(error: BadResumeToken) -> BadResumeToken:
    return type(error)(
        f"the stream cannot go on: {error.message}. Servers among which streams move, and one that is started again, "
        "need the same RED_TOKEN_KEYS and the same model",
        **error.metadata,
    )
