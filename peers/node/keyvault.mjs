// @azure/identity and @azure/keyvault-secrets against the local Entra ID and Key Vault.
//
// Node reads NODE_EXTRA_CA_CERTS when it starts, so the script starts itself again with it.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = process.argv[2] ?? process.env.CASQUE_DEV_JSON;
if (!path) {
  console.error("expected the path of the JSON of `casque-dev up` as argument or in CASQUE_DEV_JSON");
  process.exit(1);
}
const up = JSON.parse(readFileSync(path, "utf8"));
if (process.env.NODE_EXTRA_CA_CERTS !== up.ca_file) {
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: up.ca_file };
  const again = spawnSync(process.execPath, [fileURLToPath(import.meta.url), path], { env, stdio: "inherit" });
  process.exit(again.status ?? 1);
}

// Resolved from the folder that the packages were installed in, which need not be this one.
const { createRequire } = await import("node:module");
const base = process.env.CASQUE_PEERS_MODULES ?? fileURLToPath(import.meta.url);
const require = createRequire(base);
const { ClientSecretCredential, ClientCertificateCredential } = require("@azure/identity");
const { SecretClient } = require("@azure/keyvault-secrets");

const entra = { authorityHost: up.authority, disableInstanceDiscovery: true };
const vault = { disableChallengeResourceVerification: true };
const bySecret = () => new ClientSecretCredential(up.tenant_id, up.client_id, up.client_secret, entra);
const byCertificate = () =>
  new ClientCertificateCredential(up.tenant_id, up.client_id, up.client_certificate_file, entra);
const secrets = (credential = bySecret()) => new SecretClient(up.vault, credential, vault);

let failed = false;

async function check(name, action) {
  try {
    await action();
    console.log(`ok ${name}`);
  } catch (error) {
    failed = true;
    console.log(`FAIL ${name} ${`${error?.name}: ${error?.message}`.replace(/\s+/g, " ").slice(0, 500)}`);
  }
}

function expect(condition, what) {
  if (!condition) throw new Error(what);
}

async function rejected(action) {
  try {
    await action();
  } catch (error) {
    return error;
  }
  throw new Error("expected a refusal");
}

function claims(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString("utf8"));
}

const scope = "https://vault.azure.net/.default";

await check("node-identity-client-secret", async () => {
  const { token } = await bySecret().getToken(scope);
  expect(claims(token).appid === up.client_id, "appid");
});
await check("node-identity-certificate", async () => {
  const { token } = await byCertificate().getToken(scope);
  expect(claims(token).tid === up.tenant_id, "tid");
});
await check("node-identity-certificate-with-chain", async () => {
  const credential = new ClientCertificateCredential(up.tenant_id, up.client_id, up.client_certificate_file, {
    ...entra,
    sendCertificateChain: true,
  });
  await credential.getToken(scope);
});
await check("node-identity-wrong-secret-is-7000215", async () => {
  const credential = new ClientSecretCredential(up.tenant_id, up.client_id, "wrong", entra);
  const error = await rejected(() => credential.getToken(scope));
  expect(`${error.message}`.includes("AADSTS7000215"), error.message);
});
await check("node-identity-unknown-tenant-is-90002", async () => {
  const credential = new ClientSecretCredential(
    "11111111-2222-3333-4444-555555555555",
    up.client_id,
    up.client_secret,
    entra,
  );
  const error = await rejected(() => credential.getToken(scope));
  const text = `${error.message} ${JSON.stringify(error.errorResponse ?? {})}`;
  expect(/90002|openid_config|endpoints/i.test(text), text);
});
await check("node-secrets-get-text", async () => {
  const secret = await secrets().getSecret("db-password");
  expect(secret.value === "correct horse battery staple", "value");
  expect(secret.properties.contentType === "text/plain", "content type");
});
await check("node-secrets-get-with-certificate-credential", async () => {
  const secret = await secrets(byCertificate()).getSecret("db-password");
  expect(secret.value === "correct horse battery staple", "value");
});
await check("node-secrets-set-get-version-delete-purge", async () => {
  const client = secrets();
  const made = await client.setSecret("node-made", "one", { contentType: "a/b", tags: { t: "1" } });
  await client.setSecret("node-made", "two");
  const first = await client.getSecret("node-made", { version: made.properties.version });
  expect(first.value === "one" && first.properties.tags.t === "1", "older version");
  expect((await client.getSecret("node-made")).value === "two", "newest version");
  await (await client.beginDeleteSecret("node-made")).pollUntilDone();
  await client.purgeDeletedSecret("node-made");
  const error = await rejected(() => client.getSecret("node-made"));
  expect(error.statusCode === 404 && error.code === "SecretNotFound", `${error.statusCode} ${error.code}`);
});
await check("node-secrets-list", async () => {
  const names = [];
  for await (const item of secrets().listPropertiesOfSecrets()) names.push(item.name);
  expect(names.includes("web-cert") && names.includes("web-pfx"), names.join());
});
await check("node-secrets-pem-and-pkcs12", async () => {
  const pem = await secrets().getSecret("web-cert");
  expect(pem.value.includes("BEGIN PRIVATE KEY") && pem.value.includes("BEGIN CERTIFICATE"), "PEM");
  expect(pem.properties.contentType === "application/x-pem-file", "PEM content type");
  const pfx = await secrets().getSecret("web-pfx");
  expect(pfx.properties.contentType === "application/x-pkcs12", "PFX content type");
});
for (const [name, status] of [
  ["disabled-secret", 403],
  ["forbidden-rbac", 403],
  ["deleted-secret", 404],
]) {
  await check(`node-secrets-${name}-is-${status}`, async () => {
    const error = await rejected(() => secrets().getSecret(name));
    expect(error.statusCode === status, `${error.statusCode} ${error.message}`);
  });
}
process.exit(failed ? 1 : 0);
