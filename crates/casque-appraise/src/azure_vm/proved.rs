//! What the hardware's evidence proves of the paravisor's data and of the TPM's quote, signatures before what they sign
//! means something: the steps 2 to 5 of the module above.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use casque_types::{Digest, ct_eq, sha256};

use super::paravisor::ParavisorData;
use super::tpm::{Mask, PcrSelection, TpmStatement};
use super::{AzureVmAppraiseError, AzureVmEvidence, Tee};

/// What the hardware's evidence proves of the rest (steps 2 to 5), provided that somebody vouches for that evidence.
pub(super) struct Proved<'a> {
    pub(super) paravisor: &'a ParavisorData,
    pub(super) statement: &'a TpmStatement,
    /// The registers that the quote selects.
    pub(super) pcrs: BTreeMap<u8, Digest<32>>,
}

impl<'a> Proved<'a> {
    pub(super) fn by(evidence: &'a AzureVmEvidence) -> Result<Self, AzureVmAppraiseError> {
        expect_report_data(evidence)?;
        let paravisor = evidence.paravisor.as_ref();
        let paravisor = paravisor.map_err(|source| AzureVmAppraiseError::ParavisorData {
            source: source.clone(),
        })?;
        // 4.
        let key = &paravisor.attestation_key;
        if !key.verifies(&evidence.message, &evidence.signature) {
            return Err(AzureVmAppraiseError::Signature);
        }
        let statement = evidence.statement.as_ref();
        let statement = statement.map_err(|source| AzureVmAppraiseError::Statement {
            source: source.clone(),
        })?;
        // 5.
        let mask = statement.quoted().ok_or_else(|| selection_of(statement))?;
        Ok(Self {
            paravisor,
            statement,
            pcrs: signed_registers(statement, mask, &evidence.pcrs)?,
        })
    }
}

/// Steps 2 and 3.
fn expect_report_data(evidence: &AzureVmEvidence) -> Result<(), AzureVmAppraiseError> {
    // 2.
    let in_quote = evidence.tee.report_data();
    if let Tee::Tdx { report_data, .. } = &evidence.tee
        && !ct_eq(report_data, in_quote)
    {
        return Err(AzureVmAppraiseError::TdReportData);
    }
    // 3.
    let mut expected = [0; 64];
    let digest = sha256(&evidence.paravisor_data);
    if let Some(start) = expected.first_chunk_mut() {
        *start = *digest.as_bytes();
    }
    match ct_eq(&expected, in_quote) {
        true => Ok(()),
        false => Err(AzureVmAppraiseError::ReportData),
    }
}

/// The selected registers, if the signed digest is over them.
fn signed_registers(
    statement: &TpmStatement,
    mask: Mask,
    pcrs: &[[u8; 32]],
) -> Result<BTreeMap<u8, Digest<32>>, AzureVmAppraiseError> {
    let quoted = mask
        .of(pcrs)
        .ok_or_else(|| AzureVmAppraiseError::PcrCount {
            selected: mask.registers().count(),
            found: pcrs.len(),
        })?;
    let mut context = Context::new(&SHA256);
    for value in quoted.values() {
        context.update(value.as_bytes());
    }
    match ct_eq(context.finish().as_ref(), &statement.pcr_digest) {
        true => Ok(quoted),
        false => Err(AzureVmAppraiseError::PcrDigest),
    }
}

fn selection_of(statement: &TpmStatement) -> AzureVmAppraiseError {
    let one = |selection: &PcrSelection| {
        let select = hex::encode(&selection.select);
        format!("bank 0x{:04x} {select}", selection.bank)
    };
    let all: Vec<String> = statement.selections.iter().map(one).collect();
    let found = all.join(", ");
    AzureVmAppraiseError::PcrSelection { found }
}
