//! AMD's roots and authorities by generation; `anchors/amd/README.md` says where they come from.

use std::sync::{Arc, LazyLock};

use casque_types::{SnpProduct, SnpSigner};

use crate::x509::{CERTIFICATE_BYTES, Certificate, CertificateError};
use crate::{AmdAnchor, TrustAnchors};

/// The roots that are believed, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Anchors(Vec<Arc<Anchor>>);

/// One generation's.
#[derive(Debug)]
pub(crate) struct Anchor {
    product: SnpProduct,
    /// The root.
    pub(super) ark: Certificate,
    ask: Certificate,
    asvk: Certificate,
}

impl Anchors {
    /// Those of the trust anchors. One that cannot be read is left out: nothing verifies against it.
    pub(crate) fn of(anchors: &TrustAnchors) -> Self {
        match &anchors.amd {
            None => BUILT_IN.clone(),
            Some(own) => Self::parse(own),
        }
    }

    fn parse(anchors: &[AmdAnchor]) -> Self {
        let read = anchors.iter().filter_map(|one| Anchor::parse(one).ok());
        Self(read.map(Arc::new).collect())
    }

    pub(crate) fn of_product(&self, product: SnpProduct) -> Option<&Anchor> {
        let mut all = self.0.iter();
        all.find(|one| one.product == product).map(Arc::as_ref)
    }

    /// Whether it is the root of any generation.
    pub(super) fn has_root(&self, certificate: &Certificate) -> bool {
        self.0.iter().any(|one| one.ark.is_for_key_of(certificate))
    }
}

impl Anchor {
    fn parse(anchor: &AmdAnchor) -> Result<Self, CertificateError> {
        Ok(Self {
            product: anchor.product,
            ark: Certificate::from_der(&anchor.ark, CERTIFICATE_BYTES)?,
            ask: Certificate::from_der(&anchor.ask, CERTIFICATE_BYTES)?,
            asvk: Certificate::from_der(&anchor.asvk, CERTIFICATE_BYTES)?,
        })
    }

    /// The root.
    pub(crate) const fn ark(&self) -> &Certificate {
        &self.ark
    }

    /// The certificate of these bytes, if it is one of them.
    pub(super) fn known(&self, der: &[u8]) -> Option<&Certificate> {
        let mut all = [&self.ark, &self.ask, &self.asvk].into_iter();
        all.find(|one| one.der() == der)
    }

    /// The authority over keys of this kind.
    pub(crate) const fn authority(&self, signer: SnpSigner) -> &Certificate {
        match signer {
            SnpSigner::Vcek => &self.ask,
            SnpSigner::Vlek => &self.asvk,
        }
    }
}

static BUILT_IN: LazyLock<Anchors> = LazyLock::new(|| Anchors::parse(&built_in()));

fn built_in() -> [AmdAnchor; 3] {
    let of = |product, [ark, ask, asvk]: [&[u8]; 3]| AmdAnchor {
        product,
        ark: ark.to_vec(),
        ask: ask.to_vec(),
        asvk: asvk.to_vec(),
    };
    [
        of(
            SnpProduct::Milan,
            [
                include_bytes!("../../anchors/amd/milan-ark.der"),
                include_bytes!("../../anchors/amd/milan-ask.der"),
                include_bytes!("../../anchors/amd/milan-asvk.der"),
            ],
        ),
        of(
            SnpProduct::Genoa,
            [
                include_bytes!("../../anchors/amd/genoa-ark.der"),
                include_bytes!("../../anchors/amd/genoa-ask.der"),
                include_bytes!("../../anchors/amd/genoa-asvk.der"),
            ],
        ),
        of(
            SnpProduct::Turin,
            [
                include_bytes!("../../anchors/amd/turin-ark.der"),
                include_bytes!("../../anchors/amd/turin-ask.der"),
                include_bytes!("../../anchors/amd/turin-asvk.der"),
            ],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use casque_types::Timestamp;

    use super::*;
    use crate::x509::verify_chain;

    #[test]
    fn built_in_authorities_are_issued_by_their_roots() {
        let now = Timestamp::from_unix_s(1_790_000_000);
        for product in SnpProduct::ALL {
            let anchor = BUILT_IN.of_product(product).unwrap();
            for signer in [SnpSigner::Vcek, SnpSigner::Vlek] {
                let chain = [anchor.authority(signer), &anchor.ark];
                assert!(verify_chain(&chain, now).is_ok(), "{product} {signer}");
            }
            assert!(anchor.ark.expect_signature_of(&anchor.ark).is_ok());
        }
    }
}
