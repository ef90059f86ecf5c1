"""azure-security-attestation against the local MAA, with quotes of the software TEE."""

import json
import struct

from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential
from azure.security.attestation import AttestationAdministrationClient, AttestationClient, AttestationType

from peer import Checks, endpoints, expect, quote_of, raises

UP = endpoints()
CREDENTIAL = ClientSecretCredential(
    UP["tenant_id"],
    UP["client_id"],
    UP["client_secret"],
    authority=UP["authority"],
    disable_instance_discovery=True,
    connection_verify=UP["ca_file"],
)
CLIENT = AttestationClient(UP["maa"], CREDENTIAL, connection_verify=UP["ca_file"])
ADMIN = AttestationAdministrationClient(UP["maa"], CREDENTIAL, connection_verify=UP["ca_file"])

RUNTIME = json.dumps({"v": "peer", "nonce": "AAAA", "key": {"kem": "none"}}).encode()
QUOTE = quote_of(UP, RUNTIME)


def metadata():
    found = CLIENT.get_open_id_metadata()
    expect(found["issuer"] == UP["maa"], f"issuer {found['issuer']}")
    expect(found["jwks_uri"] == UP["maa"] + "/certs", f"jwks_uri {found['jwks_uri']}")


def signers():
    found = CLIENT.get_signing_certificates()
    expect(len(found) >= 1 and found[0].certificates, "no signer")


def expect_sgx(result):
    expect(result.issuer == UP["maa"], f"issuer {result.issuer}")
    expect(result.is_debuggable is False, "debuggable")
    expect(len(result.mr_enclave) == 64, "mr_enclave")
    expect(result.product_id == 1 and result.svn == 1, "product id and svn")
    expect(result.sgx_collateral["quotehash"], "collateral")


def sgx_with_json():
    result, token = CLIENT.attest_sgx_enclave(QUOTE, runtime_json=RUNTIME)
    expect_sgx(result)
    expect(result.runtime_claims == json.loads(RUNTIME), f"runtime {result.runtime_claims}")
    expect(token.algorithm == "RS256", f"algorithm {token.algorithm}")


def sgx_with_bytes():
    result, _ = CLIENT.attest_sgx_enclave(QUOTE, runtime_data=RUNTIME)
    expect_sgx(result)
    expect(result.enclave_held_data == RUNTIME, "held data")


def open_enclave():
    report = struct.pack("<IIQ", 1, 2, len(QUOTE)) + QUOTE
    result, _ = CLIENT.attest_open_enclave(report, runtime_json=RUNTIME)
    expect_sgx(result)


def policy():
    text, token = ADMIN.get_policy(AttestationType.SGX_ENCLAVE)
    expect("permit()" in text, f"policy {text}")
    expect(token.issuer == UP["maa"], f"issuer {token.issuer}")


def refused(quote, runtime):
    def check():
        action = lambda: CLIENT.attest_sgx_enclave(quote, runtime_json=runtime)
        error = raises(HttpResponseError, action)
        expect(error.status_code == 400, f"status {error.status_code}")
        expect("InvalidParameter" in str(error), f"{error}")

    return check


def changed(at):
    bent = bytearray(QUOTE)
    bent[at] ^= 1
    return bytes(bent)


CHECKS = Checks()
CHECKS.run("attestation-metadata", metadata)
CHECKS.run("attestation-signers", signers)
CHECKS.run("attestation-sgx-with-json-runtime-data", sgx_with_json)
CHECKS.run("attestation-sgx-with-binary-runtime-data", sgx_with_bytes)
CHECKS.run("attestation-open-enclave", open_enclave)
CHECKS.run("attestation-policy", policy)
CHECKS.run("attestation-other-runtime-data-is-refused", refused(QUOTE, b'{"v":"other"}'))
# Byte 112 is the first of MRENCLAVE: 48 bytes of header, 64 into the report.
CHECKS.run("attestation-changed-measurement-is-refused", refused(changed(112), RUNTIME))
CHECKS.run("attestation-cut-quote-is-refused", refused(QUOTE[:-1], RUNTIME))
CHECKS.finish()
