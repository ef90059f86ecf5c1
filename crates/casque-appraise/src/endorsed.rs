//! Whether documents are their vendor's, for whoever fetches and keeps them: a false one is refused when it
//! comes, and not kept until it ends.
//!
//! Appraisals do not rely on it: they verify every document themselves, and judge revocation, which is not
//! looked at here.

use aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED;
use casque_types::{SnpProduct, SnpSigner, Timestamp};
use thiserror::Error;

use crate::x509::{
    BUNDLE_CERTIFICATES, CERTIFICATE_BYTES, Certificate, RevocationList, chain_to,
    parse_pem_bundle, verify_chain,
};
use crate::{Appraiser, CertificateError, IntelEndorsements, VcekId};

/// Why a document is not its vendor's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EndorsedError {
    /// A certificate or a list does not verify.
    #[error("{document} does not verify")]
    Certificate {
        /// Which document, such as `the QE identity's chain`.
        document: &'static str,
        /// What is wrong.
        #[source]
        source: CertificateError,
    },
    /// The signer's key did not sign a document.
    #[error("the signature of {document} is not by the key of its chain")]
    Signature {
        /// Which document.
        document: &'static str,
    },
    /// A certificate is of another processor or level, or of no signing key at all.
    #[error(
        "expected the certificate of the {product} processor and the level that were asked for, found another"
    )]
    OtherKey {
        /// The generation.
        product: SnpProduct,
    },
    /// A chain does not end in the root that is believed.
    #[error("expected a chain that ends in AMD's root for {product}")]
    OtherRoot {
        /// The generation.
        product: SnpProduct,
    },
    /// No root of that generation is believed.
    #[error("no root of AMD for {product} is known")]
    NoAnchor {
        /// The generation.
        product: SnpProduct,
    },
}

impl Appraiser {
    /// Whether TCB information, QE identity and both revocation lists are Intel's, and in force at `now`.
    ///
    /// # Errors
    /// [`EndorsedError`] for the first that is not.
    pub fn verify_intel_endorsements(
        &self,
        endorsements: &IntelEndorsements,
        now: Timestamp,
    ) -> Result<(), EndorsedError> {
        let of = endorsements;
        let root = self.anchors.sgx_root.as_deref().unwrap_or(INTEL_ROOT);
        let root =
            Certificate::from_der(root, CERTIFICATE_BYTES).map_err(in_document("the root"))?;
        let signed = [
            (
                "the TCB information",
                &of.tcb_info_issuer_chain,
                &of.tcb_info,
                &of.tcb_info_signature,
            ),
            (
                "the QE identity",
                &of.qe_identity_issuer_chain,
                &of.qe_identity,
                &of.qe_identity_signature,
            ),
        ];
        for (document, chain, text, signature) in signed {
            let signer = leaf_under(&root, chain, document, now)?;
            let key = signer.public_key(&ECDSA_P256_SHA256_FIXED);
            let verified = key
                .map_err(in_document(document))?
                .verify_sig(text.as_bytes(), signature);
            verified.map_err(|_| EndorsedError::Signature { document })?;
        }
        let document = "the revocation list of the PCK authority";
        let authority = leaf_under(&root, &of.pck_crl_issuer_chain, document, now)?;
        expect_list(&of.pck_crl, &authority, document, now)?;
        expect_list(&of.root_ca_crl, &root, "the root's revocation list", now)
    }

    /// Whether a certificate is AMD's of this processor at this level: under the authority that is built in,
    /// or under one in `chain` that the root issued since.
    ///
    /// # Errors
    /// [`EndorsedError`]
    pub fn verify_vcek(
        &self,
        product: SnpProduct,
        vcek: &VcekId,
        der: &[u8],
        chain: &[Vec<u8>],
        now: Timestamp,
    ) -> Result<(), EndorsedError> {
        let document = "the certificate of the VCEK";
        let anchor = self.amd.of_product(product);
        let anchor = anchor.ok_or(EndorsedError::NoAnchor { product })?;
        let certificate =
            Certificate::from_der(der, CERTIFICATE_BYTES).map_err(in_document(document))?;
        if !crate::snp::is_of(&certificate, product, vcek) {
            return Err(EndorsedError::OtherKey { product });
        }
        let under = |authority: &Certificate| {
            let chain = [&certificate, authority, anchor.ark()];
            verify_chain(&chain, now).map(|_| ())
        };
        let first = under(anchor.authority(SnpSigner::Vcek));
        let reissued =
            || certificates(chain).is_ok_and(|all| all.iter().any(|one| under(one).is_ok()));
        match first {
            Err(source) if !reissued() => Err(EndorsedError::Certificate { document, source }),
            _ => Ok(()),
        }
    }

    /// Whether an intermediate and a root, in this order and with others after them, are AMD's.
    ///
    /// # Errors
    /// [`EndorsedError`]
    pub fn verify_amd_chain(
        &self,
        product: SnpProduct,
        chain: &[Vec<u8>],
        now: Timestamp,
    ) -> Result<(), EndorsedError> {
        let document = "the chain";
        let anchor = self.amd.of_product(product);
        let anchor = anchor.ok_or(EndorsedError::NoAnchor { product })?;
        let chain = certificates(chain).map_err(in_document(document))?;
        if !chain.contains(anchor.ark()) {
            return Err(EndorsedError::OtherRoot { product });
        }
        for certificate in chain.iter().filter(|one| *one != anchor.ark()) {
            verify_chain(&[certificate, anchor.ark()], now).map_err(in_document(document))?;
        }
        Ok(())
    }

    /// Whether a revocation list is AMD's, and in force at `now`.
    ///
    /// # Errors
    /// [`EndorsedError`]
    pub fn verify_amd_list(
        &self,
        product: SnpProduct,
        der: &[u8],
        now: Timestamp,
    ) -> Result<(), EndorsedError> {
        let anchor = self.amd.of_product(product);
        let anchor = anchor.ok_or(EndorsedError::NoAnchor { product })?;
        expect_list(der, anchor.ark(), "the revocation list", now)
    }
}

/// The first certificate of a chain in PEM, verified up to `root`.
fn leaf_under(
    root: &Certificate,
    pem: &str,
    document: &'static str,
    now: Timestamp,
) -> Result<Certificate, EndorsedError> {
    let verified = || {
        let bundle = parse_pem_bundle(pem.as_bytes(), BUNDLE_CERTIFICATES, CERTIFICATE_BYTES)?;
        let (leaf, pool) = bundle.split_first().ok_or(CertificateError::Malformed {
            expected: "a certificate in PEM",
        })?;
        verify_chain(&chain_to(leaf, pool, root)?, now)?;
        Ok(leaf.clone())
    };
    verified().map_err(in_document(document))
}

fn expect_list(
    der: &[u8],
    issuer: &Certificate,
    document: &'static str,
    now: Timestamp,
) -> Result<(), EndorsedError> {
    let list = RevocationList::from_der(der, REVOCATION_LIST_BYTES);
    let issued = list.and_then(|list| list.expect_issued_by(issuer, now));
    issued.map(|_| ()).map_err(in_document(document))
}

fn certificates(chain: &[Vec<u8>]) -> Result<Vec<Certificate>, CertificateError> {
    let all = chain.iter().take(BUNDLE_CERTIFICATES);
    all.map(|der| Certificate::from_der(der, CERTIFICATE_BYTES))
        .collect()
}

fn in_document(document: &'static str) -> impl Fn(CertificateError) -> EndorsedError {
    move |source| EndorsedError::Certificate { document, source }
}

const INTEL_ROOT: &[u8] = include_bytes!("../anchors/intel/sgx-root.der");
const REVOCATION_LIST_BYTES: usize = 1024 * 1024;
