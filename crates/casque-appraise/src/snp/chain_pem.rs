//! The certificates behind a report as one PEM text, as Microsoft Azure Attestation takes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Anchors, SnpEvidence};
use crate::TrustAnchors;
use crate::x509::Certificate;

impl SnpEvidence {
    /// The certificate of the key that signed the report, then its authorities up to the root: those that came
    /// with it, where both did, or else AMD's. `None` if no certificate of that key came.
    #[must_use]
    pub fn certificate_chain_pem(&self) -> Option<String> {
        let vek = self.brought.vek.as_ref()?;
        let mut pem = String::new();
        push(&mut pem, &vek.certificate);
        if self.brought.authorities.len() >= 2 {
            let authorities = self.brought.authorities.iter();
            authorities.for_each(|one| push(&mut pem, one));
            return Some(pem);
        }
        let vendors = Anchors::of(&TrustAnchors::vendors());
        let anchor = vendors.of_product(vek.product)?;
        push(&mut pem, anchor.authority(vek.signer()));
        push(&mut pem, &anchor.ark);
        Some(pem)
    }
}

fn push(pem: &mut String, certificate: &Certificate) {
    pem.push_str("-----BEGIN CERTIFICATE-----\n");
    for line in certificate.der().chunks(48) {
        STANDARD.encode_string(line, pem);
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
}
