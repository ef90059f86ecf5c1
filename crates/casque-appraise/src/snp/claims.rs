//! What report and certificate state, for people; names are those of AMD's documents in lower case.

use casque_types::SnpProduct;

use super::report::{Firmware, RawTcb, SnpReport};
use super::vek::{Holder, Vek};
use crate::Claim;

/// The report's; levels are read as `product` lays them out, and are raw bytes where it is not known.
pub(super) fn of_report(report: &SnpReport, product: Option<SnpProduct>) -> Vec<Claim> {
    let mut claims = Vec::with_capacity(48);
    claims.push(Claim::new("version", report.version));
    of_guest(report, &mut claims);
    of_platform(report, product, &mut claims);
    claims
}

fn of_guest(report: &SnpReport, claims: &mut Vec<Claim>) {
    let identity = report.claimed_identity();
    let policy = |bit: u32| {
        report
            .policy
            .checked_shr(bit)
            .is_some_and(|bits| bits & 1 == 1)
    };
    let [abi_minor, abi_major, ..] = report.policy.to_le_bytes();
    claims.extend([
        Claim::new("measurement", identity.measurement),
        Claim::new("host_data", identity.host_data),
        Claim::new("report_data", hex::encode(report.report_data())),
        Claim::new("id_key_digest", identity.id_key_digest),
        Claim::new("author_key_digest", identity.author_key_digest),
        Claim::new("family_id", identity.family_id),
        Claim::new("image_id", identity.image_id),
        Claim::new("report_id", identity.report_id),
        Claim::new("report_id_ma", report.report_id_ma),
        Claim::new("guest_svn", identity.guest_svn),
        Claim::new("vmpl", identity.vmpl),
        Claim::new("policy", format!("{:#x}", report.policy)),
        Claim::new("abi_major", abi_major),
        Claim::new("abi_minor", abi_minor),
        Claim::new("smt_allowed", identity.smt_allowed),
        Claim::new("migrate_ma_allowed", identity.migration_allowed),
        Claim::new("debug", identity.debug),
        Claim::new("single_socket", policy(20)),
        Claim::new("cxl_allowed", policy(21)),
        Claim::new("mem_aes_256_xts", policy(22)),
        Claim::new("rapl_disabled", policy(23)),
        Claim::new("ciphertext_hiding", policy(24)),
        Claim::new("page_swap_disabled", policy(25)),
    ]);
}

fn of_platform(report: &SnpReport, product: Option<SnpProduct>, claims: &mut Vec<Claim>) {
    let level = |tcb: RawTcb| match product {
        Some(product) => tcb.of(product).to_string(),
        None => hex::encode(tcb.0),
    };
    let signing_key = report.signer().map_or_else(
        || report.signing_key().to_string(),
        |signer| signer.as_str().to_owned(),
    );
    claims.extend([
        Claim::new("reported_tcb", level(report.tcb.reported)),
        Claim::new("current_tcb", level(report.tcb.current)),
        Claim::new("committed_tcb", level(report.tcb.committed)),
        Claim::new("launch_tcb", level(report.tcb.launch)),
        Claim::new("current_version", firmware(report.current_version)),
        Claim::new("committed_version", firmware(report.committed_version)),
        Claim::new("platform_info", format!("{:#x}", report.platform_info)),
        Claim::new("smt_enabled", report.platform_info & 1 == 1),
        Claim::new("author_key_en", report.key_info & 1 == 1),
        Claim::new("mask_chip_key", report.key_info & 2 == 2),
        Claim::new("signing_key", signing_key),
        Claim::new("chip_id", hex::encode(report.chip_id)),
    ]);
    if let Some(product) = product {
        claims.push(Claim::new("product", product));
    }
    if let Some([family, model, stepping]) = report.cpuid {
        claims.extend([
            Claim::new("cpuid_family", family),
            Claim::new("cpuid_model", model),
            Claim::new("cpuid_stepping", stepping),
        ]);
    }
    if let Some([launch, current]) = report.mitigations {
        claims.extend([
            Claim::new("launch_mit_vector", format!("{launch:#x}")),
            Claim::new("current_mit_vector", format!("{current:#x}")),
        ]);
    }
}

/// The certificate's.
pub(super) fn of_vek(vek: &Vek) -> Vec<Claim> {
    let certificate = &vek.certificate;
    let holder = match &vek.holder {
        Holder::Chip(id) => Claim::new("vek_hwid", hex::encode(id)),
        Holder::Provider(name) => Claim::new("vek_csp_id", name),
    };
    vec![
        Claim::new("vek", vek.signer().as_str()),
        Claim::new("vek_product", vek.product),
        Claim::new("vek_tcb", vek.tcb),
        holder,
        Claim::new("vek_issuer", certificate.issuer()),
        Claim::new("vek_not_before", certificate.not_before()),
        Claim::new("vek_not_after", certificate.not_after()),
        Claim::new("vek_sha256", certificate.digest()),
    ]
}

fn firmware(version: Firmware) -> String {
    let Firmware {
        major,
        minor,
        build,
    } = version;
    format!("{major}.{minor}.{build}")
}
