"""Resume tokens: a stream's whole state, sealed, in the client's hands; any gateway with the key goes on with it.

Fernet (AES-128-CBC with HMAC-SHA256, of the package cryptography): a token cannot be read or forged, its age is part of
it, and keys rotate. It opens for the tenant and the model that it was made for alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgpack
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from red_align.engine.base import ModelInfo
from red_align.errors import BadResumeToken, ConfigurationError, ExpiredResumeToken
from red_align.tracking.state import TrackerState


def read_token_keys(keys: SecretStr) -> list[Fernet]:
    """Read the keys of resume tokens.

    Args:
        keys: Keys separated by commas, each urlsafe base64 of 32 bytes.

    Raises:
        ConfigurationError: One of them is no key.
    """
    try:
        return [Fernet(key.strip()) for key in keys.get_secret_value().split(",") if key.strip()]
    except ValueError as error:
        raise ConfigurationError(f"RED_TOKEN_KEYS: {error}") from error


class TokenSealer:
    """Seals the state of streams, and opens it again.

    Args:
        keys: Keys (see ``read_token_keys``): the first seals, all of them open. Without keys one is made up: tokens
            are then valid for this process alone.
        ttl_s: Seconds for which a token is valid.
        clock: Seconds since the epoch.
    """

    def __init__(self, keys: Sequence[Fernet], ttl_s: float, clock: Callable[[], float] = time.time) -> None:
        self._fernet = MultiFernet(keys or [Fernet(Fernet.generate_key())])
        self._ttl_s, self._clock = ttl_s, clock

    def seal(self, state: TrackerState, tenant: str, model: ModelInfo) -> str:
        """Seal a stream.

        Args:
            state: What it is after its last answer.
            tenant: Who alone may open the token.
            model: The model that alone can go on with it.

        Returns:
            The token, ASCII.
        """
        data = msgpack.packb([tenant, _name(model), state.to_bytes()])
        return self._fernet.encrypt_at_time(data, int(self._clock())).decode("ascii")

    def open(self, token: str, tenant: str, model: ModelInfo) -> TrackerState:
        """Open a token.

        Args:
            token: What ``seal`` returned, here or at another gateway.
            tenant: Who sent it.
            model: The model that is to go on.

        Returns:
            The state in it.

        Raises:
            ExpiredResumeToken: It was valid once.
            BadResumeToken: It is of another model or version, or not valid for this tenant; why not is not said.
        """
        now = int(self._clock())
        try:
            data = self._fernet.decrypt_at_time(token, ttl=int(self._ttl_s), current_time=now)
        except (InvalidToken, ValueError) as error:
            if self._was_good(token):
                raise ExpiredResumeToken(f"the resume token is older than {self._ttl_s:g} s") from error
            raise BadResumeToken("the resume token is not one of this service") from error
        owner, made_by, packed = _parts(data)
        if owner != tenant:  # The same error as for a forged one: it is nobody's business that this one exists.
            raise BadResumeToken("the resume token is not one of this service")
        if made_by != _name(model):
            raise BadResumeToken("the resume token is of another model")
        try:
            return TrackerState.from_bytes(packed)
        except ValueError as error:
            raise BadResumeToken("the resume token is of another version of the service") from error

    def _was_good(self, token: str) -> bool:
        try:
            self._fernet.decrypt(token)
        except (InvalidToken, ValueError):
            return False
        return True


def _parts(data: bytes) -> tuple[str, str, bytes]:
    values: Any = msgpack.unpackb(data)
    tenant, model, state = values
    return tenant, model, state


def _name(model: ModelInfo) -> str:
    return "/".join(
        [str(model.contract_version), model.preset, model.training_run, model.scheme.name, str(model.memory_size)]
    )
