//! Evidence from its JSON form.

use casque_appraise::{
    AciEvidence, AzureVmEvidence, AzureVmParts, Evidence, EvidenceParseError, MaaToken, SgxQuote,
    SnpEvidence, TdxQuote,
};
use casque_wire as wire;

use crate::certificates::read_certificates;

/// Reads evidence; bounds are the parsers' own.
///
/// # Errors
/// [`EvidenceParseError`] names the part that is not as it should be.
pub fn evidence_of(raw: &wire::Evidence) -> Result<Evidence, EvidenceParseError> {
    Ok(match raw {
        wire::Evidence::None {} => Evidence::Absent,
        wire::Evidence::Sgx { quote } => Evidence::Sgx(SgxQuote::parse(&quote.0)?),
        wire::Evidence::Tdx { quote } => Evidence::Tdx(TdxQuote::parse(&quote.0)?),
        wire::Evidence::Snp { report, vek } => {
            let vek = vek.as_deref().map(certificates).transpose()?;
            Evidence::Snp(SnpEvidence::parse(&report.0, vek.as_deref())?)
        }
        wire::Evidence::AzureSnpVtpm {
            hcl,
            quote,
            vek,
            ak_chain,
        } => {
            let vek = vek.as_deref().map(certificates).transpose()?;
            azure_vm(hcl, quote, vek.as_deref(), None, ak_chain.as_deref())?
        }
        wire::Evidence::AzureTdxVtpm {
            hcl,
            quote,
            td_quote,
            ak_chain,
        } => azure_vm(hcl, quote, None, Some(&td_quote.0), ak_chain.as_deref())?,
        wire::Evidence::AciSnp {
            report,
            vek,
            policy,
            uvm,
        } => {
            let vek = vek.as_deref().map(certificates).transpose()?;
            let aci = AciEvidence::parse(&report.0, vek.as_deref(), &policy.0, &uvm.0)?;
            Evidence::Aci(aci)
        }
        wire::Evidence::Maa { token } => Evidence::MaaToken(MaaToken::parse(token.trim_ascii())?),
    })
}

fn azure_vm(
    hcl: &wire::AnyB64,
    quote: &wire::TpmQuote,
    vek: Option<&[u8]>,
    td_quote: Option<&[u8]>,
    ak_chain: Option<&str>,
) -> Result<Evidence, EvidenceParseError> {
    let ak_chain = ak_chain.map(certificates).transpose()?;
    let parts = AzureVmParts {
        hcl: &hcl.0,
        message: &quote.message.0,
        signature: &quote.signature.0,
        pcrs: &registers(&quote.pcrs)?,
        vek,
        td_quote,
        ak_chain: ak_chain.as_deref(),
    };
    Ok(Evidence::AzureVm(AzureVmEvidence::parse(&parts)?))
}

fn certificates(text: &str) -> Result<Vec<u8>, EvidenceParseError> {
    read_certificates(text).ok_or(EvidenceParseError::Malformed {
        kind: "certificate",
        expected: "PEM, JSON of THIM with PEM in `vcekCert`, or DER in base64",
    })
}

fn registers(texts: &[String]) -> Result<Vec<[u8; 32]>, EvidenceParseError> {
    let malformed = EvidenceParseError::Malformed {
        kind: "TPM quote",
        expected: "24 registers of 64 hexadecimal digits in `pcrs`",
    };
    if texts.len() != 24 {
        return Err(malformed);
    }
    let read = |text: &String| {
        let mut register = [0; 32];
        let text = text.trim_ascii();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        hex::decode_to_slice(digits, &mut register)
            .map(|()| register)
            .map_err(|_| malformed.clone())
    };
    texts.iter().map(read).collect()
}

#[cfg(test)]
mod tests;
