//! The one place that knows what `dcap-qvl` says at which stage.
//!
//! Its errors are texts. [`QuoteAppraiseError::of_stage`] knows those of version 0.7.1 by their beginning (the
//! version is pinned); a text that it does not know is [`QuoteAppraiseError::Other`] and still a refusal.

use super::error::{IntelEndorsement, QuoteAppraiseError, RevokedThing};
use crate::IntelTee;

/// Whose certificate chain failed: the verifier's text does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// That of TCB info or QE identity.
    Signer,
    /// That of the platform.
    Pck,
}

impl QuoteAppraiseError {
    /// The error for what the verifier said, contexts first, joined by `: `.
    pub(super) fn of_stage(text: &str) -> Self {
        // The TCB of now is judged as that of launch; both lack the same things for the same reasons.
        let text = text.strip_prefix(CURRENT_TCB).unwrap_or(text);
        STAGES
            .iter()
            .find(|(beginning, _)| text.starts_with(beginning))
            .map_or(Self::Other, |(_, error)| error.clone())
    }

    /// The error for a failed chain, by its cause (the name of a `webpki` error).
    pub(super) fn of_chain(chain: Chain, text: &str) -> Self {
        let is = |name| text.contains(name);
        if is("CertRevoked") {
            return Self::Revoked {
                what: match chain {
                    Chain::Signer => RevokedThing::Signer,
                    Chain::Pck => RevokedThing::PckCertificate,
                },
            };
        }
        // The root's list was judged before any chain.
        let document = IntelEndorsement::PckCrl;
        if is("CrlExpired") {
            return expired(document);
        }
        if is("UnknownRevocationStatus") || is("InvalidCrlSignature") || is("IssuerNotCrlSigner") {
            return Self::EndorsementsSignature { document };
        }
        let document = IntelEndorsement::SignerChain;
        match chain {
            Chain::Pck => Self::PckChain,
            Chain::Signer if is("CertExpired") => expired(document),
            Chain::Signer if is("CertNotValidYet") => not_yet(document),
            Chain::Signer => Self::EndorsementsSignature { document },
        }
    }

    /// Whether the verifier said that a chain failed, but not whose.
    pub(super) fn is_of_chain(text: &str) -> bool {
        text.starts_with("Failed to verify certificate chain")
            || text.starts_with("Too many intermediate certificates")
    }

    /// Whether the verifier came past the signers' chains and found no PCK chain.
    pub(super) fn is_of_absent_pck_chain(text: &str) -> bool {
        text.starts_with("Certificate chain is too short in quote")
    }
}

const fn malformed(document: IntelEndorsement) -> QuoteAppraiseError {
    QuoteAppraiseError::EndorsementsMalformed { document }
}

const fn expired(document: IntelEndorsement) -> QuoteAppraiseError {
    QuoteAppraiseError::EndorsementsExpired {
        document,
        expired: None,
    }
}

const fn not_yet(document: IntelEndorsement) -> QuoteAppraiseError {
    QuoteAppraiseError::EndorsementsNotYetValid {
        document,
        begins: None,
    }
}

const fn other_tee(document: IntelEndorsement, tee: IntelTee) -> QuoteAppraiseError {
    QuoteAppraiseError::EndorsementsOfOtherTee { document, tee }
}

const fn signature(document: IntelEndorsement) -> QuoteAppraiseError {
    QuoteAppraiseError::EndorsementsSignature { document }
}

/// What `dcap-qvl` 0.7.1 says, in the order of its stages; a longer beginning stands before a shorter one.
static STAGES: &[(&str, QuoteAppraiseError)] = &[
    ("Failed to load root ca", QuoteAppraiseError::TrustAnchor),
    (
        "Failed to parse root CA CRL: InvalidCrlSignature",
        signature(IntelEndorsement::RootCrl),
    ),
    (
        "Failed to parse root CA CRL",
        malformed(IntelEndorsement::RootCrl),
    ),
    (
        "Failed to parse PCK CRL",
        malformed(IntelEndorsement::PckCrl),
    ),
    // These two stand alone where the root is looked up in its own list.
    ("CrlExpired", expired(IntelEndorsement::RootCrl)),
    (
        "CertRevoked",
        QuoteAppraiseError::Revoked {
            what: RevokedThing::Root,
        },
    ),
    (
        "UnknownRevocationStatus",
        signature(IntelEndorsement::RootCrl),
    ),
    (
        "Failed to parse certs",
        malformed(IntelEndorsement::SignerChain),
    ),
    (
        "Failed to decode TcbInfo",
        malformed(IntelEndorsement::TcbInfo),
    ),
    (
        "Failed to parse TCB Info leaf",
        malformed(IntelEndorsement::SignerChain),
    ),
    (
        "Failed to parse TCB Info",
        malformed(IntelEndorsement::TcbInfo),
    ),
    (
        "TCBInfo issue date is in the future",
        not_yet(IntelEndorsement::TcbInfo),
    ),
    ("TCBInfo expired", expired(IntelEndorsement::TcbInfo)),
    (
        "Certificate chain is too short for",
        malformed(IntelEndorsement::SignerChain),
    ),
    (
        "TCB Info signer must be",
        signature(IntelEndorsement::TcbInfo),
    ),
    (
        "Signature is invalid for tcb_info",
        signature(IntelEndorsement::TcbInfo),
    ),
    (
        "Failed to decode QeIdentity",
        malformed(IntelEndorsement::QeIdentity),
    ),
    (
        "Failed to parse QE Identity leaf",
        malformed(IntelEndorsement::SignerChain),
    ),
    (
        "Failed to parse QE Identity",
        malformed(IntelEndorsement::QeIdentity),
    ),
    (
        "QE Identity issue date is in the future",
        not_yet(IntelEndorsement::QeIdentity),
    ),
    ("QE Identity expired", expired(IntelEndorsement::QeIdentity)),
    (
        "QE Identity signer must be",
        signature(IntelEndorsement::QeIdentity),
    ),
    (
        "Signature is invalid for qe_identity",
        signature(IntelEndorsement::QeIdentity),
    ),
    (
        "Unsupported QE Identity id/version for the quote TEE type: QE version 2 (expected TD_QE",
        other_tee(IntelEndorsement::QeIdentity, IntelTee::Tdx),
    ),
    (
        "Unsupported QE Identity id/version for the quote TEE type: TD_QE version 2 (expected QE",
        other_tee(IntelEndorsement::QeIdentity, IntelTee::Sgx),
    ),
    (
        "Unsupported QE Identity id/version for the quote TEE type: TD_QE version 3 (expected QE",
        other_tee(IntelEndorsement::QeIdentity, IntelTee::Sgx),
    ),
    (
        "Unsupported QE Identity",
        malformed(IntelEndorsement::QeIdentity),
    ),
    (
        "Failed to extract PCK certificates",
        QuoteAppraiseError::PckChain,
    ),
    (
        "Certificate chain is too short in quote",
        QuoteAppraiseError::PckChain,
    ),
    (
        "Failed to parse PCK certificate",
        QuoteAppraiseError::PckChain,
    ),
    // What the SGX extension of the PCK certificate may lack.
    ("Intel extension", QuoteAppraiseError::PckChain),
    ("Failed to find", QuoteAppraiseError::PckChain),
    ("Failed to get subobject", QuoteAppraiseError::PckChain),
    ("Failed to decode DER object", QuoteAppraiseError::PckChain),
    ("Failed to load sequence", QuoteAppraiseError::PckChain),
    ("Fmspc length", QuoteAppraiseError::PckChain),
    ("CpuSvn length", QuoteAppraiseError::PckChain),
    ("PceSvn length", QuoteAppraiseError::PckChain),
    (
        "Signature is invalid for qe_report",
        QuoteAppraiseError::QeReport,
    ),
    ("Invalid QE auth data length", QuoteAppraiseError::QeReport),
    ("QE report hash mismatch", QuoteAppraiseError::QeReport),
    ("QE ", QuoteAppraiseError::QeIdentity),
    (
        "No TCB levels found in QE Identity",
        QuoteAppraiseError::QeIdentity,
    ),
    (
        "ISV enclave report signature is invalid",
        QuoteAppraiseError::QuoteSignature,
    ),
    (
        "Failed to decode TCB FMSPC",
        malformed(IntelEndorsement::TcbInfo),
    ),
    ("Fmspc mismatch", QuoteAppraiseError::WrongFmspc),
    (
        "SGX quote with non-SGX TCB info",
        other_tee(IntelEndorsement::TcbInfo, IntelTee::Sgx),
    ),
    (
        "TDX quote with non-TDX TCB info",
        other_tee(IntelEndorsement::TcbInfo, IntelTee::Tdx),
    ),
    ("SGX component count", malformed(IntelEndorsement::TcbInfo)),
    ("TDX component count", malformed(IntelEndorsement::TcbInfo)),
    ("Unrecognized TCB status", QuoteAppraiseError::Status),
    (
        "No matching TCB level found",
        QuoteAppraiseError::TcbNotListed,
    ),
    (
        "TDX module TCB level check: No TDX module identity",
        QuoteAppraiseError::TdxModuleNotListed,
    ),
    (
        "TDX module TCB level check: TDX module ISVSVN",
        QuoteAppraiseError::TdxModuleTcbNotListed,
    ),
    (
        "TDX module TCB level check: Unrecognized TCB status",
        QuoteAppraiseError::Status,
    ),
    (
        "TDX module identity check: TDX module MRSIGNER",
        QuoteAppraiseError::TdxModuleIdentity,
    ),
    (
        "TDX module identity check: TDX module SEAMATTRIBUTES",
        QuoteAppraiseError::TdxModuleIdentity,
    ),
    (
        "TDX module identity check: No TDX module identity",
        QuoteAppraiseError::TdxModuleNotListed,
    ),
    // It lacks the module, or texts of it are no hexadecimal digits.
    (
        "TDX module identity check",
        malformed(IntelEndorsement::TcbInfo),
    ),
    (
        "Invalid TDX module tcbDate",
        malformed(IntelEndorsement::TcbInfo),
    ),
    (
        "Invalid TCB level tcbDate",
        malformed(IntelEndorsement::TcbInfo),
    ),
    (
        "Failed to parse platform TCB date",
        malformed(IntelEndorsement::TcbInfo),
    ),
    (
        "TCB status is invalid: Revoked",
        QuoteAppraiseError::Revoked {
            what: RevokedThing::Tcb,
        },
    ),
    ("Invalid MR service TD", QuoteAppraiseError::TdServiceTd),
    (
        "Reserved bits in TD attributes",
        QuoteAppraiseError::TdReservedAttributes,
    ),
    ("TD migration is enabled", QuoteAppraiseError::TdMigratable),
    ("SERVTD_EXT is enabled", QuoteAppraiseError::TdServiceTd),
    (
        "SEPT_VE_DISABLE is not enabled",
        QuoteAppraiseError::TdSeptVe,
    ),
];

/// What stands before the causes where the TCB of now fails, and not that of launch.
const CURRENT_TCB: &str = "Failed to evaluate the current TDX TCB (TEE_TCB_SVN2): ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_known_is_still_a_refusal() {
        let refused = QuoteAppraiseError::of_stage("Something new");
        assert_eq!(refused, QuoteAppraiseError::Other);
        assert_eq!(refused.code(), "quote-refused");
    }

    #[test]
    fn text_of_the_tcb_of_now_has_the_cause_of_the_same_at_launch() {
        for (text, expected) in [
            (
                "No matching TCB level found",
                QuoteAppraiseError::TcbNotListed,
            ),
            (
                "TDX module TCB level check: No TDX module identity with id TDX_09 found in TCB Info",
                QuoteAppraiseError::TdxModuleNotListed,
            ),
        ] {
            assert_eq!(QuoteAppraiseError::of_stage(text), expected);
            let now = format!("{CURRENT_TCB}{text}");
            assert_eq!(QuoteAppraiseError::of_stage(&now), expected);
        }
    }

    #[test]
    fn stage_shadowed_by_a_shorter_one_before_it_does_not_exist() {
        for (index, (beginning, _)) in STAGES.iter().enumerate() {
            let shadow = STAGES[..index]
                .iter()
                .find(|(it, _)| beginning.starts_with(it));
            assert_eq!(shadow, None, "{beginning}");
        }
    }
}
