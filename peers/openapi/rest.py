"""casqued against its own description: schemathesis asks what the OpenAPI document allows and what it does not.

The document is taken from the server, and gets examples of what is there: without them nearly every name that is
made up answers 404, and the answers of success would go untested. That each route did answer with success is read
off the server's metrics.
"""

import base64
import datetime
import hashlib
import http.client
import json
import os
import pathlib
import re
import secrets
import ssl
import subprocess
import sys
import tempfile
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, hpke, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mlkem, x25519

# For each operation; in all it takes some 20 s.
EXAMPLES = 50
MOST_SECONDS = 180
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
]


class Author:
    """A key with a self-signed certificate, in files."""

    def __init__(self, folder):
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "author")])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )
        self.certificate_file = folder / "author.pem"
        self.key_file = folder / "author.key.pem"
        self.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key_file.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    def key_hash(self):
        """SHA-256 of the public key's DER, in hexadecimal digits."""
        der = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.sha256(der).hexdigest()


class Server:
    """casqued, asked by an author. Its certificate is self-signed, and the run is on loopback."""

    def __init__(self, address, author):
        self.address = urllib.parse.urlsplit(address)
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.context.load_cert_chain(author.certificate_file, author.key_file)

    def ask(self, method, path, body=None):
        """The body of an answer of success."""
        connection = http.client.HTTPSConnection(
            self.address.hostname, self.address.port, context=self.context, timeout=30
        )
        connection.request(method, path, body)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status not in (200, 201):
            raise AssertionError(f"{method} {path}: {answer.status} {text}")
        return text

    def json(self, method, path, body=None):
        return json.loads(self.ask(method, path, body))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def policy(name, lines=""):
    return f'name: {name}\nversion: "0.3.12"\n{lines}'


def put_policies(server, author, name):
    """A policy with a bit of everything, and one below it; the hash of the first."""
    lines = f"""access_policy: {{read: [ANY], list_sessions: [ANY]}}
services: [{{name: web, command: run $$SCONE::text$$}}]
security: {{attestation: {{mode: none}}}}
secrets:
  - {{name: text, kind: ascii, export_public: true, export: {{session: {name}, cas_key: {author.key_hash()}}}}}
  - {{name: bytes, kind: binary, export_public: true}}
  - {{name: key, kind: private-key}}
  - {{name: certificate, kind: x509, private_key: key, valid_for: 90 days, export_public: true}}
"""
    created = server.json("POST", "/session", policy(name, lines))
    server.json("POST", "/session", policy(f"{name}/below"))
    return created["hash"]


def signed(text):
    """A session that a new Ed25519 key signs."""
    key = ed25519.Ed25519PrivateKey.generate()
    message = b"casque-session-signature-1\n" + hashlib.sha256(text.encode()).digest()
    signer = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {
        "session": text,
        "signatures": [{"signer": signer.decode(), "signature": key.sign(message).hex()}],
    }


def encrypted(text, server_key):
    """A session that is encrypted to the server."""
    suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    key = x25519.X25519PublicKey.from_public_bytes(bytes.fromhex(server_key))
    data = suite.encrypt(text.encode(), key, info=b"casque-session-1")
    return {"encrypted_session": base64.b64encode(data).decode(), "encryption_key": server_key}


def attestation(server, config):
    """A request without evidence; its nonce is good for a minute."""
    challenge = server.json("POST", "/v1/challenge")
    raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    public = mlkem.MLKEM768PrivateKey.generate().public_key().public_bytes(*raw)
    public += x25519.X25519PrivateKey.generate().public_key().public_bytes(*raw)
    runtime = {
        "v": "casque-attest-1",
        "server": challenge["server"],
        "config": config,
        "nonce": challenge["nonce"],
        "key": {"kem": "X-Wing", "public": base64url(public)},
    }
    data = json.dumps(runtime, separators=(",", ":")).encode()
    return {"runtime_data": base64url(data), "evidence": {"type": "none"}}


def with_examples(document, server, name, version):
    """The document, with examples that answer with success."""
    parameters = {
        "name": name,
        "session": name,
        "namespace": name,
        "hash": version,
        "session_hash": version,
        "secret": "text",
        "limit": 1,
    }
    key = server.json("GET", "/v1/version")["session_encryption_key"]
    export = {"session": name, "secret": "text", "importer": name, "importer_hash": version}
    below = (f"{name}/{word}" for word in ("text", "signed", "put", "post"))
    bodies = {
        "session-create": {
            "text/plain": policy(next(below)),
            "application/json": signed(policy(next(below))),
        },
        "session-create-encrypted": {"application/json": encrypted(policy(next(below)), key)},
        "session-create-encrypted-post": {"application/json": encrypted(policy(next(below)), key)},
        "export": {"application/json": export},
        "attest": {"application/json": attestation(server, f"{name}/web")},
    }
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] in parameters:
                    parameter["example"] = parameters[parameter["name"]]
            for media_type, example in bodies.get(operation["operationId"], {}).items():
                operation["requestBody"]["content"][media_type]["example"] = example
    return document


def schemathesis(file, address, author):
    """Runs it; what it said, and whether it is content."""
    program = pathlib.Path(sys.executable).with_name("st")
    command = [
        program, "run", file,
        "--url", address,
        "--tls-verify=false",
        "--request-cert", author.certificate_file,
        "--request-cert-key", author.key_file,
        "--checks", ",".join(CHECKS),
        "--phases", "examples,coverage,fuzzing",
        "--mode", "all",
        "--max-examples", str(EXAMPLES),
        "--generation-deterministic",
        "--continue-on-failure",
        "--warnings", "off",
        "--no-color",
    ]  # fmt: skip
    # Its cache and reports stay in the folder of the run.
    run = subprocess.run(
        command, cwd=file.parent, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
    )
    return run.stdout + run.stderr, run.returncode == 0


def successes(server):
    """The routes that answered with success so far, and how often."""
    counted = {}
    for line in server.ask("GET", "/metrics").splitlines():
        found = re.fullmatch(r'casque_answers_total\{route="([^"]+)",status="20\d",code="ok"\} (\d+)', line)
        if found:
            counted[found[1]] = int(found[2])
    return counted


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.environ["CASQUE_DEV_JSON"]
    address = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["cas"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        author = Author(folder)
        server = Server(address, author)
        name = f"peer-{secrets.token_hex(8)}"
        version = put_policies(server, author, name)
        document = with_examples(server.json("GET", "/v1/openapi.json"), server, name, version)
        file = folder / "openapi.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        before = successes(server)
        said, content = schemathesis(file, address, author)
        after = successes(server)
    cases = re.search(r"(\d+) generated", said)
    cases = cases[1] if cases else "no"
    if content:
        print(f"ok rest: {cases} requests answered as described")
    else:
        print(said)
        print(f"FAIL rest: of {cases} requests some were answered otherwise than described")
    routes = [
        "challenge", "attest", "version", "session-create", "session-create-encrypted", "session-list",
        "session-read", "session-history", "session-hash", "values", "export", "openapi",
    ]  # fmt: skip
    unseen = [route for route in routes if after.get(route, 0) <= before.get(route, 0)]
    if unseen:
        print(f"FAIL rest: no answer of success was seen from {', '.join(unseen)}")
    else:
        print("ok rest: every route answered with success too")
    sys.exit(0 if content and not unseen else 1)


if __name__ == "__main__":
    main()
