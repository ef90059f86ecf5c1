//! What a guest has its TEE sign.

use casque_types::{ReportData, ct_eq};

/// The 64 bytes that evidence is to carry: of a request, or of a tool that shows evidence.
///
/// It proves nothing, and never becomes [`GuestData`], which [`RuntimeData`](casque_types::RuntimeData) alone makes:
///
/// ```compile_fail,E0277
/// let shown = casque_attester::GuestData::of_no_request([0; 64]);
/// let of_a_request: casque_types::ReportData = shown.into();
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct GuestData([u8; 64]);

impl GuestData {
    /// Bytes of no request, for tools that gather evidence to show it. A server refuses such evidence: it appraises
    /// against the runtime data of its request.
    #[must_use]
    pub const fn of_no_request(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The bytes, as they stand in the evidence.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// Whether evidence carries exactly these bytes.
    #[must_use]
    pub fn is_carried_by(&self, found: &[u8; 64]) -> bool {
        ct_eq(&self.0, found)
    }
}

impl From<ReportData> for GuestData {
    fn from(of_request: ReportData) -> Self {
        Self(*of_request.as_bytes())
    }
}
