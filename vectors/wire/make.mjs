// Makes the vectors of access tokens, envelopes, uploads and wrapped values with node:crypto alone, apart
// from the Rust code that they prove. Layouts: crates/casque-secrets/src/{access_token,envelope,signer,
// upload,wrap}.rs. Run: node vectors/wire/make.mjs
// (`runtime-data*` and `sealed-answer*` come from crates/casque-secrets/examples/write-vectors.rs.)
import { createHmac } from 'node:crypto';
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
