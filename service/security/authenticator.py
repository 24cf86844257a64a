"""Who may call: API keys, of which only hashes are stored, and signed JWTs; each names a tenant.

A key or token comes as ``Authorization: Bearer ...`` or ``X-API-Key``, in HTTP headers and gRPC metadata alike. Pages
cannot set headers of a WebSocket: theirs comes as the subprotocol ``red-align.key.KEY`` or in the first message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import jwt

from red_align.errors import Unauthenticated
from service.security.credentials import ALGORITHMS, hash_of

ANONYMOUS = ""
"""The tenant of all who call a service that asks nobody."""
OF_KEYS, OF_TOKENS = "key:", "token:"
"""What tenants' names begin with: whoever issues tokens must not be able to name the tenant of a key."""
KEY_SUBPROTOCOL = "red-align.key."
"""What comes before a key that is offered as a WebSocket's subprotocol."""
_REFUSED = "no valid API key or token came with the request"


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a signed token must be.

    Attributes:
        keys: Public keys by their ids.
        issuer: Issuer that it must name; empty for any.
        audience: Audience that it must name; empty for none.
        tenant_claim: Claim that names the tenant.
    """

    keys: Mapping[str, jwt.PyJWK]
    issuer: str = ""
    audience: str = ""
    tenant_claim: str = "sub"


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Names the tenant of a request.

    Attributes:
        tenants_by_hash: Tenants by the hashes of their API keys; None where keys are not asked for.
        token_rules: What tokens must be; None where they are not asked for. Without both, nobody is asked.
    """

    tenants_by_hash: Mapping[str, str] | None = None
    token_rules: TokenRules | None = None

    @property
    def asks(self) -> bool:
        """Whether callers are asked for a key or token."""
        return self.tenants_by_hash is not None or self.token_rules is not None

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Whether a request comes from a tenant.

        Args:
            headers: As of ``tenant``.
        """
        try:
            self.tenant(headers)
        except Unauthenticated:
            return False
        return True

    def tenant(self, headers: Mapping[str, str]) -> str:
        """The tenant of a request.

        Args:
            headers: Its HTTP headers or gRPC metadata, names in lower case.

        Raises:
            Unauthenticated: Neither a key nor a token that is good came with it; the message never says what is wrong.
        """
        if not self.asks:
            return ANONYMOUS
        given = headers.get("x-api-key", "")
        kind, _, value = headers.get("authorization", "").partition(" ")
        if not given and kind.lower() == "bearer":
            given = value.strip()
        if not given:
            offered = (name.strip() for name in headers.get("sec-websocket-protocol", "").split(","))
            given = next((name[len(KEY_SUBPROTOCOL) :] for name in offered if name.startswith(KEY_SUBPROTOCOL)), "")
        if not given:
            raise Unauthenticated(_REFUSED)
        if tenant := (self.tenants_by_hash or {}).get(hash_of(given)):
            return OF_KEYS + tenant
        return self._tenant_of_token(given)

    def _tenant_of_token(self, token: str) -> str:
        rules = self.token_rules
        if rules is None:
            raise Unauthenticated(_REFUSED)
        try:
            key = rules.keys[str(jwt.get_unverified_header(token)["kid"])]
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=rules.audience or None,
                issuer=rules.issuer or None,
                options={"require": ["exp", rules.tenant_claim]},
            )
            tenant = claims[rules.tenant_claim]
        except (jwt.PyJWTError, KeyError) as error:
            raise Unauthenticated(_REFUSED) from error
        if not isinstance(tenant, str) or not tenant:
            raise Unauthenticated(_REFUSED)
        return OF_TOKENS + tenant
