"""azure-identity against the local Entra ID."""

import base64
import json

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientSecretCredential

from peer import Checks, endpoints, expect, raises

UP = endpoints()
SCOPE = "https://vault.azure.net/.default"
OPTIONS = {
    "authority": UP["authority"],
    "disable_instance_discovery": True,
    "connection_verify": UP["ca_file"],
}


def secret_credential(**changes):
    arguments = {
        "tenant_id": UP["tenant_id"],
        "client_id": UP["client_id"],
        "client_secret": UP["client_secret"],
    }
    arguments.update(changes)
    return ClientSecretCredential(**arguments, **OPTIONS)


def claims(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def expect_token(token):
    found = claims(token.token)
    expect(found["aud"] == "https://vault.azure.net", f"aud {found['aud']}")
    expect(found["tid"] == UP["tenant_id"], f"tid {found['tid']}")
    expect(found["appid"] == UP["client_id"], f"appid {found['appid']}")
    expect(token.expires_on > 0, "expires_on")


def client_secret():
    expect_token(secret_credential().get_token(SCOPE))


def client_secret_with_claims():
    expect_token(secret_credential().get_token(SCOPE, enable_cae=True))


def tenant_as_domain():
    token = secret_credential(tenant_id="casque.example").get_token(SCOPE)
    expect_token(token)


def certificate():
    credential = CertificateCredential(
        UP["tenant_id"], UP["client_id"], UP["client_certificate_file"], **OPTIONS
    )
    expect_token(credential.get_token(SCOPE))


def certificate_with_chain():
    credential = CertificateCredential(
        UP["tenant_id"],
        UP["client_id"],
        UP["client_certificate_file"],
        send_certificate_chain=True,
        **OPTIONS,
    )
    expect_token(credential.get_token(SCOPE))


def refused(code, scope=SCOPE, **changes):
    def check():
        credential = secret_credential(**changes)
        error = raises(ClientAuthenticationError, lambda: credential.get_token(scope))
        expect(f"AADSTS{code}:" in str(error), f"expected AADSTS{code}, found {error}")

    return check


CHECKS = Checks()
CHECKS.run("identity-client-secret", client_secret)
CHECKS.run("identity-client-secret-with-claims", client_secret_with_claims)
CHECKS.run("identity-tenant-as-domain", tenant_as_domain)
CHECKS.run("identity-certificate", certificate)
CHECKS.run("identity-certificate-with-chain", certificate_with_chain)
CHECKS.run("identity-wrong-secret-is-7000215", refused(7000215, client_secret="wrong"))
CHECKS.run(
    "identity-expired-secret-is-7000222",
    refused(7000222, client_secret="local-only-expired-secret"),
)
CHECKS.run(
    "identity-unknown-application-is-700016",
    refused(700016, client_id="11111111-2222-3333-4444-555555555555"),
)
CHECKS.run(
    "identity-disabled-application-is-7000112",
    refused(
        7000112,
        client_id="c2a9e2c4-51a6-4fd7-a6a4-2f0f5f3a9b33",
        client_secret="local-only-retired-secret",
    ),
)
CHECKS.run(
    "identity-unknown-resource-is-500011",
    refused(500011, scope="https://storage.azure.com/.default"),
)
CHECKS.run(
    "identity-scope-without-default-is-1002012",
    refused(1002012, scope="https://vault.azure.net/user_impersonation"),
)
CHECKS.finish()
