// Makes the vectors of casque-store with node:crypto alone, apart from the Rust code that they prove.
// Layouts: crates/casque-store/src/{record,kept,state,audit}.rs. Run: node vectors/store/make.mjs
import { createCipheriv, createHash, createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';

const here = new URL('.', import.meta.url);
const hex = (bytes) => Buffer.from(bytes).toString('hex');
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(n)); return b; };
const lp = (...fields) => Buffer.concat(fields.flatMap((f) => [u32(Buffer.from(f).length), Buffer.from(f)]));

function write(name, expect, fields) {
  const lines = [`expect: ${expect}`, ...Object.entries(fields).map(([key, value]) => `${key}: ${value}`.trimEnd())];
  writeFileSync(new URL(`${name}.txt`, here), lines.join('\n') + '\n');
}

// Records
const sealed = {
  key: Buffer.alloc(32, 0x11), version: 3, table: 'policies', row: [Buffer.from('ns/app'), Buffer.alloc(32, 0x22)],
  column: 'text', namespace: 'ns', generation: 7, beside: [Buffer.alloc(0), Buffer.alloc(32, 0x33), u64(1795424399)],
};
const plain = Buffer.from('name: ns/app\nversion: "0.3"\n');

function seal(place, layout = 1) {
  const header = Buffer.concat([Buffer.from([layout]), u32(place.version)]);
  const aad = Buffer.concat([header, lp(place.table, lp(...place.row), place.column, place.namespace,
    u64(place.generation), lp(...place.beside))]);
  const nonce = Buffer.alloc(12, 0x44);
  const cipher = createCipheriv('aes-256-gcm', place.key, nonce);
  cipher.setAAD(aad);
  return Buffer.concat([header, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function record(name, expect, place, bytes) {
  write(`record-${name}`, expect, {
    key: hex(place.key), 'key version': place.version, table: place.table, row: place.row.map(hex).join(' '),
    column: place.column, namespace: place.namespace, generation: place.generation,
    beside: place.beside.map(hex).map((field) => field || '-').join(' '), plain: hex(plain), record: hex(bytes),
  });
}

const good = seal(sealed);
const bent = (at) => { const b = Buffer.from(good); b[at < 0 ? b.length + at : at] ^= 1; return b; };
record('as-sealed', 'opens', sealed, good);
record('other-key', 'damaged', { ...sealed, key: Buffer.alloc(32, 0x12) }, good);
record('other-key-version', 'damaged', { ...sealed, version: 2 }, good);
record('other-table', 'damaged', { ...sealed, table: 'secret_values' }, good);
record('other-row', 'damaged', { ...sealed, row: [Buffer.from('ns/app'), Buffer.alloc(32, 0x23)] }, good);
record('other-row-split', 'damaged', { ...sealed, row: [Buffer.from('ns/ap'), Buffer.concat([Buffer.from('p'), Buffer.alloc(32, 0x22)])] }, good);
record('other-column', 'damaged', { ...sealed, column: 'value' }, good);
record('other-namespace', 'damaged', { ...sealed, namespace: 'n' }, good);
record('other-generation', 'damaged', { ...sealed, generation: 6 }, good);
record('other-creator', 'damaged', { ...sealed, beside: [Buffer.alloc(0), Buffer.alloc(32, 0x34), u64(1795424399)] }, good);
record('layout-version-flipped', 'damaged', sealed, bent(0));
record('other-layout-version', 'damaged', sealed, seal(sealed, 2));
record('nonce-flipped', 'damaged', sealed, bent(5));
record('ciphertext-flipped', 'damaged', sealed, bent(17));
record('tag-flipped', 'damaged', sealed, bent(-1));
record('cut-short', 'damaged', sealed, good.subarray(0, good.length - 1));
record('cut-in-header', 'damaged', sealed, good.subarray(0, 16));
record('byte-added', 'damaged', sealed, Buffer.concat([good, Buffer.alloc(1)]));

// A kept value: its revision stands beside it
const kept = { ...sealed, table: 'kept', row: [Buffer.from('ns/app'), Buffer.from('volume data tag')], column: 'value', beside: [u64(3)] };
record('kept-as-sealed', 'opens', kept, seal(kept));
record('kept-other-revision', 'damaged', { ...kept, beside: [u64(2)] }, seal(kept));
record('kept-other-key', 'damaged', { ...kept, row: [Buffer.from('ns/app'), Buffer.from('volume data key')] }, seal(kept));

// The audit chain: two entries
const entry = (previous, seq, at, action, subject, policy, caller, facts) =>
  createHash('sha256').update(lp(previous, u64(seq), u64(at), action, subject, policy, caller, facts)).digest();
const policy = Buffer.alloc(32, 0x55);
const caller = Buffer.alloc(32, 0x66);
const first = entry(Buffer.alloc(32), 1, 1795424399, 'policy-created', 'ns/app', policy, caller, '[]');
const second = entry(first, 2, 1795424400, 'configuration-released', 'ns/app/web', policy, Buffer.alloc(0), '[["tee","sgx"],["vault","a"]]');
write('audit-chain', 'follows', {
  policy: hex(policy), caller: hex(caller), at: 1795424399, first: hex(first), second: hex(second),
});

// The state of a store with two heads
const root = Buffer.alloc(32, 0x77);
const stateKey = createHmac('sha256', root).update('casque-store state key 1').digest();
const mac = (message) => createHmac('sha256', stateKey).update(message).digest();
const head = (name, hash, generation) => mac(lp('head', name, hash, u64(generation)));
const one = head('a', Buffer.alloc(32, 0x88), 1);
const two = head('b/c', Buffer.alloc(32, 0x99), 2);
const heads = one.map((byte, at) => byte ^ two[at]);
const state = mac(lp('state', u64(2), u64(2), second, heads));
write('state', 'authentic', { root: hex(root), 'audit digest': hex(second), heads: hex(heads), mac: hex(state) });

// The state of the same store with one kept value, and something that was used once
const [key, once, until] = ['volume data tag', 'otp ns/app 59123456', 1795424430];
const keptSet = mac(lp('kept', 'ns/app', key, u64(2), u64(3)));
const what = mac(lp('once', once));
const spentSet = mac(lp('spent', what, u64(until)));
const stateKept = mac(lp('state', u64(2), u64(2), second, heads, keptSet, spentSet));
write('state-kept', 'authentic', {
  root: hex(root), 'audit digest': hex(second), heads: hex(heads), key, kept: hex(keptSet),
  once, until, what: hex(what), spent: hex(spentSet), mac: hex(stateKept),
});
