"""azure-keyvault-secrets and azure-keyvault-certificates against the local Key Vault."""

import base64
import datetime
import warnings

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import CertificateCredential, ClientSecretCredential
from azure.keyvault.certificates import CertificateClient
from azure.keyvault.secrets import SecretClient
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from peer import Checks, endpoints, expect, raises

warnings.filterwarnings("ignore", category=UserWarning)
UP = endpoints()
ENTRA = {
    "authority": UP["authority"],
    "disable_instance_discovery": True,
    "connection_verify": UP["ca_file"],
}
VAULT = {"verify_challenge_resource": False, "connection_verify": UP["ca_file"]}

CREDENTIAL = ClientSecretCredential(UP["tenant_id"], UP["client_id"], UP["client_secret"], **ENTRA)
SECRETS = SecretClient(UP["vault"], CREDENTIAL, **VAULT)
CERTIFICATES = CertificateClient(UP["vault"], CREDENTIAL, **VAULT)


def text_secret():
    secret = SECRETS.get_secret("db-password")
    expect(secret.value == "correct horse battery staple", "value")
    expect(secret.properties.content_type == "text/plain", "content type")
    expect(secret.properties.enabled, "enabled")
    expect(secret.properties.tags == {"owner": "demo"}, "tags")
    expect(secret.properties.recovery_level == "Recoverable+Purgeable", "recovery level")
    expect(len(secret.properties.version) == 32, "version")


def secret_by_certificate():
    credential = CertificateCredential(
        UP["tenant_id"], UP["client_id"], UP["client_certificate_file"], **ENTRA
    )
    secret = SecretClient(UP["vault"], credential, **VAULT).get_secret("db-password")
    expect(secret.value == "correct horse battery staple", "value")


def older_version():
    versions = list(SECRETS.list_properties_of_secret_versions("db-password"))
    expect(len(versions) >= 2, f"{len(versions)} versions")
    values = {SECRETS.get_secret("db-password", v.version).value for v in versions}
    expect("incorrect horse" in values, f"values {values}")


def list_names():
    names = {item.name for item in SECRETS.list_properties_of_secrets()}
    expect({"db-password", "web-cert", "web-pfx"} <= names, f"names {names}")
    expect("deleted-secret" not in names, "a deleted secret is listed")


def set_update_delete():
    expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    made = SECRETS.set_secret("peer-made", "one", content_type="a/b", expires_on=expires)
    SECRETS.set_secret("peer-made", "two")
    expect(SECRETS.get_secret("peer-made").value == "two", "newest value")
    first = SECRETS.get_secret("peer-made", made.properties.version)
    expect(first.value == "one", "older value")
    expect(abs((first.properties.expires_on - expires).total_seconds()) < 2, "expires_on")
    SECRETS.update_secret_properties("peer-made", made.properties.version, enabled=False)
    error = raises(HttpResponseError, lambda: SECRETS.get_secret("peer-made", made.properties.version))
    expect(error.status_code == 403, f"status {error.status_code}")
    deleted = SECRETS.begin_delete_secret("peer-made").result()
    expect(deleted.recovery_id is not None, "recovery id")
    raises(ResourceNotFoundError, lambda: SECRETS.get_secret("peer-made"))
    conflict = raises(ResourceExistsError, lambda: SECRETS.set_secret("peer-made", "three"))
    expect("ObjectIsDeletedButRecoverable" in str(conflict), f"{conflict}")
    SECRETS.begin_recover_deleted_secret("peer-made").wait()
    expect(SECRETS.get_secret("peer-made").value == "two", "recovered value")
    SECRETS.begin_delete_secret("peer-made").wait()
    SECRETS.purge_deleted_secret("peer-made")
    raises(ResourceNotFoundError, lambda: SECRETS.get_deleted_secret("peer-made"))


def soft_deleted():
    raises(ResourceNotFoundError, lambda: SECRETS.get_secret("deleted-secret"))
    deleted = SECRETS.get_deleted_secret("deleted-secret")
    expect(deleted.scheduled_purge_date > deleted.deleted_date, "dates")
    names = {item.name for item in SECRETS.list_deleted_secrets()}
    expect("deleted-secret" in names, f"names {names}")


def still_answered():
    expired = SECRETS.get_secret("expired-secret").properties.expires_on
    future = SECRETS.get_secret("future-secret").properties.not_before
    now = datetime.datetime.now(datetime.timezone.utc)
    expect(expired < now < future, f"expires {expired}, not before {future}")


def forbidden(name, inner):
    def check():
        error = raises(HttpResponseError, lambda: SECRETS.get_secret(name))
        expect(error.status_code == 403, f"status {error.status_code}")
        code = error.model.error.inner_error.code if hasattr(error, "model") and error.model else None
        found = f"{code} {error}"
        expect(inner in found, f"expected {inner}, found {found}")

    return check


def stranger():
    credential = ClientSecretCredential(
        UP["tenant_id"],
        "0f4d7b52-93f1-4d7c-8e0a-17a5b86a2c22",
        "local-only-stranger-secret",
        **ENTRA,
    )
    client = SecretClient(UP["vault"], credential, **VAULT)
    error = raises(HttpResponseError, lambda: client.get_secret("db-password"))
    expect("ForbiddenByRbac" in str(error), f"{error}")


def bad_api_version():
    client = SecretClient(UP["vault"], CREDENTIAL, api_version="1.0", **VAULT)
    error = raises(HttpResponseError, lambda: client.get_secret("db-password"))
    expect(error.status_code == 400, f"status {error.status_code}")


def pem_certificate():
    secret = SECRETS.get_secret("web-cert")
    expect(secret.properties.content_type == "application/x-pem-file", "content type")
    expect(secret.properties.key_id is not None, "kid")
    pem = secret.value.encode()
    key = load_pem_private_key(pem, None)
    chain = x509.load_pem_x509_certificates(pem)
    expect(len(chain) == 2, f"{len(chain)} certificates")
    chain[0].verify_directly_issued_by(chain[1])
    expect(key.public_key() == chain[0].public_key(), "the key is another one")


def pkcs12_certificate():
    secret = SECRETS.get_secret("web-pfx")
    expect(secret.properties.content_type == "application/x-pkcs12", "content type")
    # As Python's own tools open what a vault hands out: with an empty password.
    key, leaf, others = pkcs12.load_key_and_certificates(base64.b64decode(secret.value), b"")
    expect(key.public_key() == leaf.public_key(), "the key is another one")
    expect(len(others) == 1, f"{len(others)} issuers")


def certificate():
    found = CERTIFICATES.get_certificate("web-cert")
    leaf = x509.load_der_x509_certificate(bytes(found.cer))
    expect("web.casque.example" in leaf.subject.rfc4514_string(), "subject")
    secret = SECRETS.get_secret("web-cert")
    expect(x509.load_pem_x509_certificates(secret.value.encode())[0] == leaf, "another certificate")
    expect(found.policy.exportable, "exportable")
    expect(found.properties.x509_thumbprint is not None, "thumbprint")
    version = CERTIFICATES.get_certificate_version("web-cert", found.properties.version)
    expect(bytes(version.cer) == bytes(found.cer), "version")


def certificate_list():
    names = {item.name for item in CERTIFICATES.list_properties_of_certificates()}
    expect(names == {"web-cert", "web-pfx"}, f"names {names}")
    versions = list(CERTIFICATES.list_properties_of_certificate_versions("web-cert"))
    expect(len(versions) == 1, f"{len(versions)} versions")
    policy = CERTIFICATES.get_certificate_policy("web-pfx")
    expect(policy.content_type == "application/x-pkcs12", f"{policy.content_type}")


def no_certificate():
    raises(ResourceNotFoundError, lambda: CERTIFICATES.get_certificate("db-password"))


CHECKS = Checks()
CHECKS.run("secrets-get-text", text_secret)
CHECKS.run("secrets-get-with-certificate-credential", secret_by_certificate)
CHECKS.run("secrets-get-older-version", older_version)
CHECKS.run("secrets-list", list_names)
CHECKS.run("secrets-set-update-delete-recover-purge", set_update_delete)
CHECKS.run("secrets-soft-deleted-is-not-found", soft_deleted)
CHECKS.run("secrets-expired-and-future-are-answered", still_answered)
CHECKS.run("secrets-disabled-is-forbidden", forbidden("disabled-secret", "SecretDisabled"))
CHECKS.run("secrets-no-role-is-forbidden", forbidden("forbidden-rbac", "ForbiddenByRbac"))
CHECKS.run("secrets-no-policy-is-forbidden", forbidden("forbidden-policy", "ForbiddenByPolicy"))
CHECKS.run("secrets-firewall-is-forbidden", forbidden("forbidden-firewall", "ForbiddenByFirewall"))
CHECKS.run("secrets-stranger-is-forbidden", stranger)
CHECKS.run("secrets-bad-api-version-is-refused", bad_api_version)
CHECKS.run("secrets-get-pem-certificate", pem_certificate)
CHECKS.run("secrets-get-pkcs12-certificate", pkcs12_certificate)
CHECKS.run("certificates-get", certificate)
CHECKS.run("certificates-list", certificate_list)
CHECKS.run("certificates-absent-is-not-found", no_certificate)
CHECKS.finish()
