//! Any text as what fills the clauses of a policy: closed or refused, without a panic, and never more open
//! than the text around it says.

#![no_main]

use casque_policy::{Clause, Credentials, Fill, Fills, Operation, Placeholder, Policy};
use casque_types::{KeyHash, Secret};
use libfuzzer_sys::fuzz_target;

const POLICY: &str = "name: x
version: '0.3.10'
access_policy:
  read: $$SCONE::a$$
  update: [{require-all: [{signer: SIGNER}, $$SCONE::a$$]}]
security: $$SCONE::a$$
services:
  - name: s
    attestation: [$$SCONE::a$$]
    platforms: [$$SCONE::a$$]
secrets:
  - {name: a, import: {session: s, secret: a}}
";
const SIGNER: &str = "\"-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\\n-----END PUBLIC KEY-----\"";

fuzz_target!(|bytes: &[u8]| {
    let parsed = Policy::parse(&POLICY.replace("SIGNER", SIGNER)).expect("a policy");
    let policy = parsed.policy;
    for fill in [Fill::Fragment, Fill::Text] {
        let fills_of = |asks: &mut dyn Iterator<Item = &Placeholder>| {
            let mut fills = Fills::default();
            for asked in asks {
                fills.insert(asked, fill(Secret::copied_from(bytes)));
            }
            fills
        };
        let Clause::Open(_) = &policy.access else {
            panic!("the secret is not known");
        };
        let fills = fills_of(&mut policy.access.asks().iter());
        if let Ok(access) = policy.access.close(&fills) {
            let creator = KeyHash::of_spki(b"creator");
            let caller = Credentials::of_tls(creator);
            let permitted = access.permits(Operation::Update, &caller, Some(&creator));
            assert!(!permitted, "the signer is required");
        }
        let service = &policy.services[0];
        let fills = fills_of(&mut policy.asks_of_demands(service));
        let _ = policy.demands(service, &fills);
    }
});
