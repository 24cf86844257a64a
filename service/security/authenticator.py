"""Who may call: API keys, of which only hashes are stored, and signed JWTs; each names a tenant.

A key or token comes as ``Authorization: Bearer ...`` or ``X-API-Key``, in HTTP headers and gRPC metadata alike.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import jwt

from red_align.errors import ConfigurationError, Unauthenticated

if TYPE_CHECKING:
    from service.config.settings import Settings

ANONYMOUS = ""
"""The tenant of all who call a service that asks nobody."""
ALGORITHMS = ("RS256", "ES256")
_REFUSED = "no valid API key or token came with the request"


class Authenticator:
    """Tells the tenant of a request; raises ConfigurationError for files that are not as they must be."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tenant_of = read_keys(settings.api_keys_file) if settings.api_keys_file else {}
        self._jwks = read_jwks(settings.jwt_jwks_file) if settings.jwt_jwks_file else None
        self.asks = bool(settings.api_keys_file or settings.jwt_jwks_file)

    def tenant(self, headers: Mapping[str, str]) -> str:
        """The tenant; header names are in lower case. Raises Unauthenticated, which never tells what was wrong."""
        if not self.asks:
            return ANONYMOUS
        given = headers.get("x-api-key", "")
        kind, _, value = headers.get("authorization", "").partition(" ")
        if not given and kind.lower() == "bearer":
            given = value.strip()
        if not given:
            raise Unauthenticated(_REFUSED)
        if tenant := self._tenant_of.get(hash_of(given)):
            return tenant
        return self._tenant_of_token(given)

    def _tenant_of_token(self, token: str) -> str:
        if self._jwks is None:
            raise Unauthenticated(_REFUSED)
        settings = self._settings
        try:
            key = self._jwks[str(jwt.get_unverified_header(token)["kid"])]
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=settings.jwt_audience or None,
                issuer=settings.jwt_issuer or None,
                options={"require": ["exp", settings.jwt_tenant_claim]},
            )
            tenant = claims[settings.jwt_tenant_claim]
        except (jwt.PyJWTError, KeyError) as error:
            raise Unauthenticated(_REFUSED) from error
        if not isinstance(tenant, str) or not tenant:
            raise Unauthenticated(_REFUSED)
        return tenant


def new_key() -> str:
    """A key of 256 random bits: a plain hash of it is safe to store."""
    return "red_" + secrets.token_urlsafe(32)


def hash_of(key: str) -> str:
    """What is stored of a key: SHA-256, hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(path: Path) -> dict[str, str]:
    """Tenants by hash, from lines ``tenant hash``; empty ones and those that begin with # say nothing."""
    found = {}
    for number, line in enumerate(_text(path, "RED_API_KEYS_FILE").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        tenant, _, value = line.strip().rpartition(" ")
        if not tenant.strip() or len(value) != 64 or set(value) - set("0123456789abcdef"):
            raise ConfigurationError(f"RED_API_KEYS_FILE: line {number} of {path} is not 'tenant sha256'")
        found[value] = tenant.strip()
    if not found:
        raise ConfigurationError(f"RED_API_KEYS_FILE: {path} has no key")
    return found


def read_jwks(path: Path) -> dict[str, jwt.PyJWK]:
    """Keys by their ids, from a JSON Web Key Set. Raises ConfigurationError."""
    try:
        keys = jwt.PyJWKSet.from_dict(json.loads(_text(path, "RED_JWT_JWKS_FILE"))).keys
    except (ValueError, AttributeError, TypeError, jwt.PyJWTError) as error:
        raise ConfigurationError(f"RED_JWT_JWKS_FILE: {path} is no JSON Web Key Set: {error}") from error
    named = {str(key.key_id): key for key in keys if key.key_id and key.algorithm_name in ALGORITHMS}
    if not named:
        raise ConfigurationError(f"RED_JWT_JWKS_FILE: {path} has no key with a kid for {' or '.join(ALGORITHMS)}")
    return named


def _text(path: Path, name: str) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise ConfigurationError(f"{name}: {path}: {error.strerror}") from error
