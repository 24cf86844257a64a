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
    """Keys by comma, each urlsafe base64 of 32 bytes. Raises ConfigurationError."""
    try:
        return [Fernet(key.strip()) for key in keys.get_secret_value().split(",") if key.strip()]
    except ValueError as error:
        raise ConfigurationError(f"RED_TOKEN_KEYS: {error}") from error


class TokenSealer:
    """Seals and opens with keys (see ``read_token_keys``): the first seals, all of them open.

    Without keys one is made up: tokens then hold for this process alone.
    """

    def __init__(self, keys: Sequence[Fernet], ttl_s: float, clock: Callable[[], float] = time.time) -> None:
        self._fernet = MultiFernet(keys or [Fernet(Fernet.generate_key())])
        self._ttl_s, self._clock = ttl_s, clock

    def seal(self, state: TrackerState, tenant: str, model: ModelInfo) -> str:
        """The token, ASCII."""
        data = msgpack.packb([tenant, _name(model), state.to_bytes()])
        return self._fernet.encrypt_at_time(data, int(self._clock())).decode("ascii")

    def open(self, token: str, tenant: str, model: ModelInfo) -> TrackerState:
        """The state in a token; raises BadResumeToken or ExpiredResumeToken, which tell no more than that."""
        now = int(self._clock())
        try:
            data = self._fernet.decrypt_at_time(token, ttl=int(self._ttl_s), current_time=now)
        except (InvalidToken, ValueError) as error:
            if self._was_good(token):
                raise ExpiredResumeToken(f"the resume token is older than {self._ttl_s:g} s") from error
            raise BadResumeToken("the resume token is not one of this service") from error
        owner, made_by, packed = _parts(data)
        if owner != tenant:  # Not told apart from a forged one: it is nobody's business that it exists.
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
