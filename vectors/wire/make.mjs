// Makes the vectors of access tokens, envelopes, uploads and wrapped values with node:crypto alone, apart
// from the Rust code that they prove. Layouts: crates/casque-secrets/src/{access_token,envelope,signer,
// upload,wrap}.rs. Run: node vectors/wire/make.mjs
// The keys of signatures and of sessions are new with every run; all else is counted.
// (`runtime-data*` and `sealed-answer*` come from crates/casque-secrets/examples/write-vectors.rs.)
import {
  createCipheriv, createHash, createHmac, createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, sign,
} from 'node:crypto';
import { writeFileSync } from 'node:fs';

const here = new URL('.', import.meta.url);
const hex = (bytes) => Buffer.from(bytes).toString('hex');
const counted = (length, first = 0) => Buffer.from(Array.from({ length }, (_, i) => (first + i) & 255));
const flipped = (bytes, position) => {
  const bent = Buffer.from(bytes);
  bent[position < 0 ? bent.length + position : position] ^= 1;
  return bent;
};

function write(name, expect, about, fields) {
  const lines = [`expect: ${expect}`, `about: ${about}`, ...Object.entries(fields).map(([key, value]) => `${key}: ${value}`)];
  writeFileSync(new URL(`${name}.txt`, here), lines.join('\n') + '\n');
}

// Access tokens
{
  const token = 'correct horse battery staple';
  const binding = counted(32);
  const proof = (side, over = binding) => createHmac('sha256', token)
    .update('casque-access-token-1').update(Buffer.from([side])).update(over).digest();
  const vector = (name, expect, about, side, found) =>
    write(`access-token-${name}`, expect, about, { token, side, binding: hex(binding), proof: hex(found) });
  vector('attester', 'holds', "the attester's proof", 'attester', proof(1));
  vector('server', 'holds', "the server's proof", 'server', proof(2));
  vector('other-side', 'refused', "the attester's own proof, sent back to it", 'server', proof(1));
  vector('other-binding', 'refused', 'a proof for another request', 'attester', proof(1, counted(32, 1)));
  vector('flipped', 'refused', 'one bit flipped', 'attester', flipped(proof(1), 31));
}

// Envelopes in Key Vault
{
  const key = counted(32);
  const iv = counted(12, 0x40);
  const u16 = (n) => { const b = Buffer.alloc(2); b.writeUInt16BE(n); return b; };
  const seal = (value, version = 2) => {
    const cipher = createCipheriv('aes-256-gcm', key, iv);
    const ciphertext = Buffer.concat([cipher.update(value), cipher.final()]);
    return Buffer.concat([u16(0xa1), u16(version), u16(value.length), iv, ciphertext, cipher.getAuthTag()]);
  };
  const vector = (name, expect, about, content_type, value, bytes = seal(value), with_key = key) =>
    write(`envelope${name}`, expect, about,
      { key: hex(with_key), content_type, text: bytes.toString('base64'), value: value.length ? hex(value) : '' });
  const text = Buffer.from('a secret of Key Vault: ünïcode');
  vector('', 'opened', 'text', 'none', text);
  vector('-binary', 'opened', 'bytes that are no text', 'binary', Buffer.from('ff00fe01', 'hex'));
  vector('-empty', 'opened', 'no byte at all', 'binary', Buffer.alloc(0));
  vector('-other-key', 'decrypt', 'sealed under another key', 'none', text, seal(text), counted(32, 1));
  vector('-flipped', 'decrypt', 'one bit of the ciphertext flipped', 'none', text, flipped(seal(text), 20));
  vector('-other-version', 'version', 'version 1', 'none', text, seal(text, 1));
  vector('-not-utf8', 'not-utf8', 'bytes that are no text, without the content type that says so', 'none', Buffer.from('ff00fe01', 'hex'));
}

// Signatures of sessions
const text = Buffer.from('name: app\nversion: "0.3"\n');
const sha256 = (bytes) => createHash('sha256').update(bytes).digest();
{
  const label = Buffer.from('casque-session-signature-1\n');
  const message_of = (session) => Buffer.concat([label, sha256(session)]);
  const spki = (pair) => pair.publicKey.export({ type: 'spki', format: 'der' });
  const vector = (name, expect, about, signer, signature, session = text) =>
    write(`session-signature-${name}`, expect, about, { signer, session: hex(session),
      message: hex(message_of(session)), signature: hex(signature) });
  const ed25519 = generateKeyPairSync('ed25519');
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signature = sign(null, message_of(text), ed25519.privateKey);
  const body = Buffer.concat([Buffer.from([10]), spki(ed25519).subarray(12)]);
  const legacy = base58(Buffer.concat([body, sha256(sha256(body)).subarray(0, 4)]));
  vector('ed25519', 'verified', "Ed25519, the signer in SCONE's older text", legacy, signature);
  vector('p384', 'verified', 'ECDSA P-384 with SHA-384, the signer as DER', hex(spki(p384)), sign('sha384', message_of(text), p384.privateKey));
  vector('p256', 'verified', 'ECDSA P-256 with SHA-256, the signer as DER', hex(spki(p256)), sign('sha256', message_of(text), p256.privateKey));
  vector('other-text', 'refused', 'a line feed more than was signed', hex(spki(ed25519)), signature, Buffer.concat([text, Buffer.from('\n')]));
  vector('other-signer', 'refused', 'signed by another key', hex(spki(generateKeyPairSync('ed25519'))), signature);
  vector('flipped', 'refused', 'one bit flipped', hex(spki(ed25519)), flipped(signature, 0));
}

function base58(bytes) {
  const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
  let digits = '';
  for (let number = BigInt(`0x${hex(bytes)}`); number > 0n; number /= 58n) digits = alphabet[Number(number % 58n)] + digits;
  return digits;
}

// Encrypted sessions: HPKE (RFC 9180) written out
{
  const u16 = (n) => Buffer.from([n >> 8, n & 255]);
  const hmac = (key, ...parts) => { const mac = createHmac('sha256', key); parts.forEach((p) => mac.update(p)); return mac.digest(); };
  const expand = (prk, info, length) => {
    let out = Buffer.alloc(0), block = Buffer.alloc(0);
    for (let i = 1; out.length < length; i++) out = Buffer.concat([out, block = hmac(prk, block, info, Buffer.from([i]))]);
    return out.subarray(0, length);
  };
  const v1 = Buffer.from('HPKE-v1'), none = Buffer.alloc(0);
  const kem = Buffer.from('KEM\x00\x20', 'latin1'), suite = Buffer.from('HPKE\x00\x20\x00\x01\x00\x02', 'latin1');
  const labeled_extract = (id, salt, label, ikm) => hmac(salt, v1, id, Buffer.from(label), ikm);
  const labeled_expand = (id, prk, label, info, length) =>
    expand(prk, Buffer.concat([u16(length), v1, id, Buffer.from(label), info]), length);
  const derive_key_pair = (ikm) => {
    const sk = labeled_expand(kem, labeled_extract(kem, none, 'dkp_prk', ikm), 'sk', none, 32);
    const prefix = Buffer.from('302e020100300506032b656e04220420', 'hex');
    const privateKey = createPrivateKey({ key: Buffer.concat([prefix, sk]), format: 'der', type: 'pkcs8' });
    const publicKey = createPublicKey(privateKey);
    return { privateKey, publicKey, bytes: publicKey.export({ type: 'spki', format: 'der' }).subarray(12) };
  };
  const seal = (to, ikm, info, plaintext) => {
    const ephemeral = derive_key_pair(ikm);
    const dh = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: to.publicKey });
    const shared = labeled_expand(kem, labeled_extract(kem, none, 'eae_prk', dh), 'shared_secret',
      Buffer.concat([ephemeral.bytes, to.bytes]), 32);
    const context = Buffer.concat([Buffer.from([0]), labeled_extract(suite, none, 'psk_id_hash', none),
      labeled_extract(suite, none, 'info_hash', info)]);
    const secret = labeled_extract(suite, shared, 'secret', none);
    const cipher = createCipheriv('aes-256-gcm', labeled_expand(suite, secret, 'key', context, 32),
      labeled_expand(suite, secret, 'base_nonce', context, 12));
    return Buffer.concat([ephemeral.bytes, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  };
  const server = () => {
    const identity = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const scalar = Buffer.from(identity.export({ format: 'jwk' }).d, 'base64url');
    const key = derive_key_pair(expand(hmac(Buffer.alloc(32), scalar), Buffer.from('casque-session-encryption-key-1'), 32));
    return { pkcs8: identity.export({ type: 'pkcs8', format: 'der' }), key };
  };
  const one = server(), info = Buffer.from('casque-session-1'), no_text = Buffer.from([0xff]);
  const sound = seal(one.key, counted(32), info, text);
  const vector = (name, expect, about, encrypted, to = one, session = text) =>
    write(`session-encrypted${name}`, expect, about, { identity_pkcs8: hex(to.pkcs8), public_key: hex(to.key.bytes),
      encrypted: hex(encrypted), session: hex(session) });
  vector('', 'decrypted', 'the ephemeral key is derived from 00 01 … 1f', sound);
  vector('-other-identity', 'decrypt', 'encrypted to another server', sound, server());
  vector('-flipped', 'decrypt', 'one bit of the ciphertext flipped', flipped(sound, 40));
  vector('-cut', 'length', 'less than a key and a tag', sound.subarray(0, 47));
  vector('-not-utf8', 'not-utf8', 'what is inside is no text', seal(one.key, counted(32), info, no_text), one, no_text);
}

// Wrapped values
{
  const key = counted(32), nonce = counted(12, 0x80), place = 'cas-00112233/8899';
  const wrap = (value, version = 1) => {
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(Buffer.from(`casque-wrapped-value-1${place}`));
    return Buffer.concat([Buffer.from([version]), nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()]);
  };
  const value = Buffer.from('0102ff', 'hex');
  const vector = (name, expect, about, bytes = wrap(value), inside = value, at = place, with_key = key) =>
    write(`wrapped-value${name}`, expect, about,
      { key: hex(with_key), place: at, text: bytes.toString('base64'), value: hex(inside) });
  vector('', 'unwrapped', 'three bytes');
  vector('-empty', 'unwrapped', 'no byte at all', wrap(Buffer.alloc(0)), Buffer.alloc(0));
  vector('-other-place', 'decrypt', 'wrapped for another place', wrap(value), value, 'cas-00112233/8898');
  vector('-other-key', 'decrypt', 'wrapped with another key', wrap(value), value, place, counted(32, 1));
  vector('-flipped', 'decrypt', 'one bit of the ciphertext flipped', flipped(wrap(value), 13));
  vector('-other-version', 'version', 'version 2', wrap(value, 2));
}
