"""The SDK's OAuth providers, as a program would set them up that logs in at the conformance suite's servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

REDIRECT = AnyUrl("http://localhost:3000/callback")
CLIENT_METADATA = "https://conformance-test.local/client-metadata.json"
"""The address that the suite takes for the client's metadata document."""
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
TOKEN_TYPE = "urn:ietf:params:oauth:token-type:"


class Storage:
    """Keeps what a provider wants kept, in memory."""

    def __init__(self, client: OAuthClientInformationFull | None = None) -> None:
        self._client = client
        self._tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        """The tokens, once there are some."""
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep the tokens."""
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """The client's registration, once there is one."""
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep the client's registration."""
        self._client = client_info


class Browser:
    """Stands for the user: opens the page of the authorization server, which redirects at once."""

    def __init__(self) -> None:
        self._came_back: Mapping[str, list[str]] = {}

    async def open(self, url: str) -> None:
        """Open the page, and keep the parameters of the address to which it redirects."""
        async with httpx2.AsyncClient() as http:
            response = await http.get(url, follow_redirects=False)
        self._came_back = parse_qs(urlsplit(response.headers["location"]).query)

    async def result(self) -> AuthorizationCodeResult:
        """What came back with the redirect."""
        found = {name: values[0] for name, values in self._came_back.items()}
        return AuthorizationCodeResult(code=found["code"], state=found.get("state"), iss=found.get("iss"))


def provider(url: str, context: Mapping[str, Any]) -> httpx2.Auth:
    """The provider for a scenario, given the server's URL and what the suite hands out for the scenario."""
    match context.get("name"):
        case "auth/client-credentials-basic":
            return ClientCredentialsOAuthProvider(url, Storage(), context["client_id"], context["client_secret"])
        case "auth/client-credentials-jwt":
            signed = SignedJWTParameters(
                issuer=context["client_id"],
                subject=context["client_id"],
                signing_key=context["private_key_pem"],
                signing_algorithm=context["signing_algorithm"],
            )
            prove = signed.create_assertion_provider()
            return PrivateKeyJWTOAuthProvider(url, Storage(), context["client_id"], prove)
        case "auth/enterprise-managed-authorization":
            return _by_identity_provider(url, context)
        case _:
            return _by_user(url, context)


def _by_user(url: str, context: Mapping[str, Any]) -> httpx2.Auth:
    known = None
    if secret := context.get("client_secret"):
        known = OAuthClientInformationFull(
            client_id=context["client_id"],
            client_secret=secret,
            redirect_uris=[REDIRECT],
            token_endpoint_auth_method="client_secret_basic",
        )
    browser = Browser()
    metadata = OAuthClientMetadata(
        client_name="mcptasks-conformance",
        redirect_uris=[REDIRECT],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
    )
    return OAuthClientProvider(
        url,
        metadata,
        Storage(known),
        redirect_handler=browser.open,
        callback_handler=browser.result,
        client_metadata_url=CLIENT_METADATA,
    )


def _by_identity_provider(url: str, context: Mapping[str, Any]) -> httpx2.Auth:
    async def assertion(audience: str, resource: str) -> str:
        """A token for the server, in exchange for the user's identity at the company."""
        form = {
            "grant_type": EXCHANGE,
            "requested_token_type": f"{TOKEN_TYPE}id-jag",
            "subject_token": context["idp_id_token"],
            "subject_token_type": f"{TOKEN_TYPE}id_token",
            "audience": audience,
            "resource": resource,
            "client_id": context["idp_client_id"],
        }
        async with httpx2.AsyncClient() as http:
            response = await http.post(context["idp_token_endpoint"], data=form)
        token: str = response.raise_for_status().json()["access_token"]
        return token

    # A real program has the issuer in its settings. The suite tells the issuer only in the server's metadata.
    place = urlsplit(url)
    metadata = httpx2.get(f"{place.scheme}://{place.netloc}/.well-known/oauth-protected-resource{place.path}")
    issuer: str = metadata.raise_for_status().json()["authorization_servers"][0]
    return IdentityAssertionOAuthProvider(
        url,
        Storage(),
        context["client_id"],
        context["client_secret"],
        issuer,
        assertion,
        token_endpoint_auth_method="client_secret_basic",
    )
