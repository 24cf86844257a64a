"""Credentials as files hold them: hashes of API keys, and the public keys that sign tokens."""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path

import jwt

from red_align.errors import ConfigurationError

ALGORITHMS = ("RS256", "ES256")
"""Signatures of tokens that are admitted."""


def new_key() -> str:
    """A new API key of 256 random bits: a plain hash of it is safe to store."""
    return "red_" + secrets.token_urlsafe(32)


def hash_of(key: str) -> str:
    """What is stored of an API key.

    Returns:
        SHA-256, hexadecimal.
    """
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(path: Path) -> dict[str, str]:
    """Read a file of API keys: lines ``tenant hash``; empty ones and those that begin with # say nothing.

    Args:
        path: The file.

    Returns:
        Tenants by the hashes of their keys.

    Raises:
        ConfigurationError: The file cannot be read, has no key, or a line is wrong.
    """
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
    """Read a JSON Web Key Set.

    Args:
        path: The file.

    Returns:
        Keys by their ids.

    Raises:
        ConfigurationError: The file cannot be read, is no key set, or has no key with an id for ALGORITHMS.
    """
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
