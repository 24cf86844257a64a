"""Keys and tokens: whom they name, and everything that names nobody."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from red_align.errors import ConfigurationError, Unauthenticated
from service.config.settings import read_settings
from service.limits.tenants import TenantLimits, Tenants
from service.security.authenticator import ANONYMOUS, Authenticator, TokenRules
from service.security.credentials import hash_of, new_key, read_jwks, read_keys

EC, OTHER, RSA = (
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP256R1()),
    rsa.generate_private_key(65537, 2048),
)


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, str]:
    """A file that admits one key, and the key."""
    key = new_key()
    (tmp_path / "keys").write_text(f"# who may call\n\nann {hash_of(key)}\n")
    return tmp_path / "keys", key


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    named = [
        json.loads(ECAlgorithm.to_jwk(EC.public_key())) | {"kid": "e", "alg": "ES256"},
        json.loads(RSAAlgorithm.to_jwk(RSA.public_key())) | {"kid": "r", "alg": "RS256"},
    ]
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": named}))
    return tmp_path / "jwks.json"


def token(key: Any = EC, algorithm: str = "ES256", kid: str | None = "e", **claims: Any) -> str:
    body = {"sub": "ann", "exp": time.time() + 60, "iss": "me", "aud": "red"} | claims
    return jwt.encode(
        {k: v for k, v in body.items() if v is not None}, key, algorithm, headers={"kid": kid} if kid else None
    )


def bearer(value: str) -> dict[str, str]:
    return {"authorization": f"Bearer {value}"}


def test_without_files_nobody_is_asked() -> None:
    asked = Authenticator()
    assert not asked.asks
    assert asked.tenant({}) == asked.tenant({"x-api-key": "anything"}) == ANONYMOUS


def test_a_key_names_its_tenant_in_either_header(keys: tuple[Path, str]) -> None:
    file, key = keys
    asked = Authenticator(read_keys(file))
    assert asked.tenant({"x-api-key": key}) == "key:ann"
    assert asked.tenant(bearer(key)) == "key:ann"
    assert key not in file.read_text()
    for headers in ({}, {"x-api-key": ""}, {"x-api-key": key[:-1]}, {"authorization": f"Basic {key}"}, bearer("")):
        with pytest.raises(Unauthenticated) as refused:
            asked.tenant(headers)
        assert refused.value.message == "no valid API key or token came with the request"


@pytest.mark.parametrize("make", [token, lambda: token(RSA, "RS256", "r")])
def test_a_signed_token_names_its_tenant(jwks: Path, make: Callable[[], str]) -> None:
    asked = Authenticator(token_rules=TokenRules(read_jwks(jwks), issuer="me", audience="red"))
    assert asked.tenant(bearer(make())) == "token:ann"


def test_a_token_never_names_the_tenant_of_a_key(keys: tuple[Path, str], jwks: Path) -> None:
    file, key = keys
    asked = Authenticator(read_keys(file), TokenRules(read_jwks(jwks), issuer="me", audience="red"))
    tenant = asked.tenant({"x-api-key": key})
    assert all(asked.tenant(bearer(token(sub=name))) != tenant for name in ("ann", "key:ann", tenant))


BAD: dict[str, Callable[[], str]] = {
    "of another signer": lambda: token(OTHER),
    "without a key id": lambda: token(kid=None),
    "of an unknown key": lambda: token(kid="x"),
    "of a key for another algorithm": lambda: token(kid="r"),
    "expired": lambda: token(exp=time.time() - 10),
    "without an end": lambda: token(exp=None),
    "for others": lambda: token(aud="blue"),
    "by another issuer": lambda: token(iss="you"),
    "without a tenant": lambda: token(sub=None),
    "with an empty tenant": lambda: token(sub=""),
    "unsigned": lambda: jwt.encode({"sub": "ann", "exp": time.time() + 60}, "", "none", headers={"kid": "e"}),
    "signed with the public key": lambda: jwt.encode({"sub": "ann"}, "x" * 32, "HS256", headers={"kid": "e"}),
    "no token": lambda: "x.y.z",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_token_that_is_not_right_names_nobody(jwks: Path, kind: str) -> None:
    asked = Authenticator(token_rules=TokenRules(read_jwks(jwks), issuer="me", audience="red"))
    with pytest.raises(Unauthenticated):
        asked.tenant(bearer(BAD[kind]()))


@pytest.mark.parametrize("text", ["", "ann", "ann abc", f"{'0' * 64}", f"ann {'G' * 64}"])
def test_a_file_of_keys_that_is_wrong_is_reported(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(ConfigurationError, match="RED_API_KEYS_FILE"):
        read_keys(tmp_path / "keys")


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"keys": []}', '{"keys": [1]}', '{"keys": [{"kty": "oct", "k": "eA", "kid": "a"}]}']
)
def test_a_key_set_that_is_wrong_is_reported(tmp_path: Path, text: str) -> None:
    (tmp_path / "jwks").write_text(text)
    with pytest.raises(ConfigurationError, match="RED_JWT_JWKS_FILE"):
        read_jwks(tmp_path / "jwks")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "red.example"])
def test_a_public_address_needs_keys_or_a_word(
    monkeypatch: pytest.MonkeyPatch, keys: tuple[Path, str], host: str
) -> None:
    monkeypatch.setenv("RED_HOST", host)
    with pytest.raises(ConfigurationError, match="RED_ALLOW_ANONYMOUS"):
        read_settings()
    monkeypatch.setenv("RED_ALLOW_ANONYMOUS", "true")
    assert read_settings().host == host
    monkeypatch.delenv("RED_ALLOW_ANONYMOUS")
    monkeypatch.setenv("RED_API_KEYS_FILE", str(keys[0]))
    assert read_settings().host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_asks_nobody(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("RED_HOST", host)
    assert read_settings().host == host


def test_tls_settings_belong_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("x")
    monkeypatch.setenv("RED_TLS_CERT", str(tmp_path / "cert.pem"))
    with pytest.raises(ConfigurationError, match="RED_TLS_KEY"):
        read_settings()
    monkeypatch.setenv("RED_TLS_KEY", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigurationError, match="RED_TLS_KEY"):
        read_settings()


async def test_a_tenants_share_is_its_own_and_forgotten_after_use() -> None:
    tenants = Tenants(TenantLimits(1, 1, 3, 50.0))
    with tenants.of("ann") as one, tenants.of("ann") as two, tenants.of("bob") as other:
        assert one is two
        assert one is not other
        assert len(tenants) == 2
        for _ in range(5):
            await one.frame()
    assert len(tenants) == 0
