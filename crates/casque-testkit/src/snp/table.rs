//! The host's table of certificates (GHCB specification, SNP extended guest request).

use casque_types::SnpSigner;

use crate::sgx::SoftwareTeeError;

/// Entries of GUID, offset and length, an entry of zeros, then the certificates.
pub(super) fn encode(entries: &[([u8; 16], &[u8])]) -> Result<Vec<u8>, SoftwareTeeError> {
    let header_entries = entries.len().saturating_add(1);
    let mut offset = header_entries.saturating_mul(ENTRY_BYTES);
    let mut table = Vec::new();
    for (guid, certificate) in entries {
        let number = |n| u32::try_from(n).map_err(|_| SoftwareTeeError::TooLong);
        table.extend(guid);
        table.extend(number(offset)?.to_le_bytes());
        table.extend(number(certificate.len())?.to_le_bytes());
        offset = offset.saturating_add(certificate.len());
    }
    table.extend([0; ENTRY_BYTES]);
    for (_, certificate) in entries {
        table.extend(*certificate);
    }
    Ok(table)
}

pub(super) const fn guid_of(signer: SnpSigner) -> [u8; 16] {
    match signer {
        SnpSigner::Vcek => 0x63da_758d_e664_4564_adc5_f4b9_3be8_accd_u128.to_be_bytes(),
        SnpSigner::Vlek => 0xa807_4bc2_a25a_483e_aae6_39c0_45a0_b8a1_u128.to_be_bytes(),
    }
}

pub(super) const ASK: [u8; 16] = 0x4ab7_b379_bbac_4fe4_a02f_05ae_f327_c782_u128.to_be_bytes();
pub(super) const ARK: [u8; 16] = 0xc0b4_06a4_a803_4952_9743_3fb6_014c_d0ae_u128.to_be_bytes();
const ENTRY_BYTES: usize = 24;
