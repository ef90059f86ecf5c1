//! Of what a token speaks, and the claims that the real service writes about it (spec/azure.md section 3.3).

use casque_appraise::{AdvisoryId, TcbStatus};
use casque_types::{AzureVmTee, SnpIdentity, SnpPlatform, TdxIdentity};
use serde_json::{Map, Value, json};

use super::SoftwareMaaError;
use super::token::{object, reordered};

/// Of what a token speaks.
#[derive(Clone, Debug)]
pub enum TokenSubject {
    /// An enclave.
    Sgx,
    /// A guest of SEV-SNP.
    Snp(Box<SnpToken>),
    /// A trust domain.
    Tdx(Box<TdxToken>),
    /// A virtual machine of Azure.
    AzureVm(Box<AzureVmToken>),
}

/// What a token says of a guest of SEV-SNP.
#[derive(Clone, Debug)]
pub struct SnpToken {
    /// The guest.
    pub identity: SnpIdentity,
    /// The platform; claims of 2026 stand only where product and chip are known.
    pub platform: SnpPlatform,
    /// `x-ms-compliance-status`.
    pub compliance: Option<String>,
}

/// What a token says of a trust domain.
#[derive(Clone, Debug)]
pub struct TdxToken {
    /// The domain.
    pub identity: TdxIdentity,
    /// `attester_tcb_status`.
    pub status: TcbStatus,
    /// `attester_advisory_ids`, left out when there are none.
    pub advisories: Vec<AdvisoryId>,
    /// `x-ms-compliance-status`.
    pub compliance: Option<String>,
}

/// What a token says of a virtual machine of Azure.
#[derive(Clone, Debug)]
pub struct AzureVmToken {
    /// The paravisor's TEE; `None` on trusted launch.
    pub tee: Option<AzureVmTee>,
    /// The platform under SEV-SNP.
    pub platform: SnpPlatform,
    /// `x-ms-compliance-status` beside the TEE's claims.
    pub compliance: Option<String>,
    /// The paravisor's data, JSON.
    pub paravisor_data: Vec<u8>,
    /// `secureboot`.
    pub secure_boot: bool,
    /// `x-ms-azurevm-vmid`.
    pub vm_id: String,
    /// `x-ms-azurevm-attested-pcrs`.
    pub pcrs: Vec<u8>,
    /// `client-payload.nonce`, as the client gave it; base64 of it is in the token.
    pub payload_nonce: Option<Vec<u8>>,
}

impl SnpToken {
    pub(super) fn claims(&self, report_data: &[u8; 64]) -> Map<String, Value> {
        let (guest, platform) = (&self.identity, &self.platform);
        let level = &platform.reported_tcb;
        let mut claims = object(json!({
            "x-ms-sevsnpvm-authorkeydigest": guest.author_key_digest.to_string(),
            "x-ms-sevsnpvm-bootloader-svn": level.bootloader,
            "x-ms-sevsnpvm-familyId": guest.family_id.to_string(),
            "x-ms-sevsnpvm-guestsvn": guest.guest_svn,
            "x-ms-sevsnpvm-hostdata": guest.host_data.to_string(),
            "x-ms-sevsnpvm-idkeydigest": guest.id_key_digest.to_string(),
            "x-ms-sevsnpvm-imageId": guest.image_id.to_string(),
            "x-ms-sevsnpvm-is-debuggable": guest.debug,
            "x-ms-sevsnpvm-launchmeasurement": guest.measurement.to_string(),
            "x-ms-sevsnpvm-microcode-svn": level.microcode,
            "x-ms-sevsnpvm-migration-allowed": guest.migration_allowed,
            "x-ms-sevsnpvm-reportdata": hex::encode(report_data),
            "x-ms-sevsnpvm-reportid": guest.report_id.to_string(),
            "x-ms-sevsnpvm-smt-allowed": guest.smt_allowed,
            "x-ms-sevsnpvm-snpfw-svn": level.snp,
            "x-ms-sevsnpvm-tee-svn": level.tee,
            "x-ms-sevsnpvm-vmpl": guest.vmpl,
        }));
        if let Some(product) = platform.product {
            claims.insert("x-ms-sevsnpvm-chip-family".into(), product.as_str().into());
        }
        if let Some(chip_id) = &platform.chip_id {
            let mut id = hex::encode(chip_id);
            id.extend(std::iter::repeat_n('0', 128_usize.saturating_sub(id.len())));
            claims.insert("x-ms-sevsnpvm-chipid".into(), id.into());
        }
        insert_compliance(&mut claims, self.compliance.as_deref());
        claims
    }
}

impl TdxToken {
    pub(super) fn claims(&self, report_data: &[u8; 64]) -> Map<String, Value> {
        let domain = &self.identity;
        let mut claims = object(json!({
            "dbgstat": if domain.debug { "enabled" } else { "disabled" },
            "eat_profile": "https://aka.ms/maa-eat-profile-tdxvm",
            "intuse": "generic",
            "tdx_mrconfigid": domain.mr_config_id.to_string(),
            "tdx_mrowner": domain.mr_owner.to_string(),
            "tdx_mrownerconfig": domain.mr_owner_config.to_string(),
            "tdx_mrseam": domain.mr_seam.to_string(),
            "tdx_mrsignerseam": domain.mr_signer_seam.to_string(),
            "tdx_mrtd": domain.mr_td.to_string(),
            "tdx_report_data": hex::encode(report_data),
            "tdx_rtmr0": domain.rtmr[0].to_string(),
            "tdx_rtmr1": domain.rtmr[1].to_string(),
            "tdx_rtmr2": domain.rtmr[2].to_string(),
            "tdx_rtmr3": domain.rtmr[3].to_string(),
            "tdx_seam_attributes": domain.seam_attributes.to_string(),
            "tdx_seamsvn": domain.tee_tcb_svn.as_bytes()[0],
            "tdx_td_attributes": domain.td_attributes.to_string(),
            "tdx_td_attributes_debug": domain.debug,
            "tdx_tee_tcb_svn": domain.tee_tcb_svn.to_string(),
            "tdx_xfam": domain.xfam.to_string(),
        }));
        claims.extend(self.tcb_claims(""));
        insert_compliance(&mut claims, self.compliance.as_deref());
        claims
    }

    /// The platform's state, with `place` before each name.
    pub(super) fn tcb_claims(&self, place: &str) -> Vec<(String, Value)> {
        let status = Value::from(self.status.as_str());
        let mut claims = vec![(format!("{place}attester_tcb_status"), status)];
        if !self.advisories.is_empty() {
            let ids: Vec<String> = self.advisories.iter().map(ToString::to_string).collect();
            claims.push((format!("{place}attester_advisory_ids"), ids.into()));
        }
        claims
    }
}

impl AzureVmToken {
    pub(super) fn claims(
        &self,
        report_data: &[u8; 64],
    ) -> Result<Map<String, Value>, SoftwareMaaError> {
        let mut claims = object(json!({
            "secureboot": self.secure_boot,
            "x-ms-azurevm-attestation-protocol-ver": "2.0",
            "x-ms-azurevm-attested-pcrs": self.pcrs,
            "x-ms-azurevm-bootdebug-enabled": false,
            "x-ms-azurevm-dbvalidated": true,
            "x-ms-azurevm-dbxvalidated": true,
            "x-ms-azurevm-debuggersdisabled": true,
            "x-ms-azurevm-default-securebootkeysvalidated": true,
            "x-ms-azurevm-elam-enabled": false,
            "x-ms-azurevm-flightsigning-enabled": false,
            "x-ms-azurevm-hvci-policy": 0,
            "x-ms-azurevm-hypervisordebug-enabled": false,
            "x-ms-azurevm-is-windows": false,
            "x-ms-azurevm-kerneldebug-enabled": false,
            "x-ms-azurevm-osbuild": "NotApplication",
            "x-ms-azurevm-osdistro": "Ubuntu",
            "x-ms-azurevm-ostype": "Linux",
            "x-ms-azurevm-osversion-major": 24,
            "x-ms-azurevm-osversion-minor": 4,
            "x-ms-azurevm-signingdisabled": true,
            "x-ms-azurevm-testsigning-enabled": false,
            "x-ms-azurevm-vmid": self.vm_id,
            "x-ms-runtime": self.runtime(),
        }));
        if let Some(tee) = self.isolation(report_data)? {
            claims.insert("x-ms-isolation-tee".into(), tee.into());
        }
        Ok(claims)
    }

    fn runtime(&self) -> Value {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let key = json!({"e": "AQAB", "key_ops": ["encrypt"], "kid": "TpmEphemeralEncryptionKey",
            "kty": "RSA", "n": "3j6coAAAH_rEZn4n2nAcPg"});
        let mut runtime = object(json!({ "keys": [key] }));
        if let Some(nonce) = &self.payload_nonce {
            let payload = json!({"nonce": STANDARD.encode(nonce)});
            runtime.insert("client-payload".into(), payload);
        }
        runtime.sort_keys();
        runtime.into()
    }

    fn isolation(
        &self,
        report_data: &[u8; 64],
    ) -> Result<Option<Map<String, Value>>, SoftwareMaaError> {
        let compliance = self.compliance.clone();
        let (kind, mut claims) = match self.tee.clone() {
            None => return Ok(None),
            Some(AzureVmTee::Snp(identity)) => {
                let guest = SnpToken {
                    identity: *identity,
                    platform: self.platform.clone(),
                    compliance,
                };
                ("sevsnpvm", guest.claims(report_data))
            }
            Some(AzureVmTee::Tdx(identity)) => {
                let domain = TdxToken {
                    identity: *identity,
                    status: TcbStatus::UpToDate,
                    advisories: Vec::new(),
                    compliance,
                };
                ("tdxvm", domain.claims(report_data))
            }
        };
        let data: Value = serde_json::from_slice(&self.paravisor_data)
            .map_err(|_| SoftwareMaaError::RuntimeData)?;
        claims.insert("x-ms-attestation-type".into(), kind.into());
        claims.insert("x-ms-runtime".into(), reordered(data));
        claims.sort_keys();
        Ok(Some(claims))
    }
}

fn insert_compliance(claims: &mut Map<String, Value>, compliance: Option<&str>) {
    if let Some(compliance) = compliance {
        claims.insert("x-ms-compliance-status".into(), compliance.into());
    }
}
