//! `AttestationInfo` as it stands on the wire: JSON in base64url, and in it blobs in the standard alphabet with
//! padding; in base64url, with padding or without, what belongs to SEV-SNP.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casque_appraise::{Evidence, SnpEvidence, TdxQuote};

use super::tpm::{PublicArea, Statement, StatementKind};
use super::{AttestationInfo, GuestRefusal, OperatingSystem, TpmInfo};

impl AttestationInfo {
    /// Reads the member `AttestationInfo` of a request: base64url of at most 1 MiB of JSON. Unknown members are
    /// ignored, as the real service does.
    ///
    /// # Errors
    /// [`GuestRefusal`]: it is too long or has another form, or there is no TEE.
    pub fn parse(text: &str) -> Result<Self, GuestRefusal> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(GuestRefusal::TooLong {
                limit_bytes: MAX_TEXT_BYTES,
                found_bytes: text.len(),
            });
        }
        let json = url_safe("AttestationInfo", text)?;
        let info: raw::Info = serde_json::from_slice(&json).map_err(GuestRefusal::Json)?;
        if info.attestation_protocol_version != "2.0" {
            return Err(member("AttestationProtocolVersion", "`2.0`"));
        }
        if text_of("OSType", &info.os_type)? != "Linux" {
            return Err(member("OSType", "`Linux` in base64"));
        }
        standard("TcgLogs", &info.tcg_logs)?;
        for (_, value) in &info.client_payload.0 {
            standard("ClientPayload", value)?;
        }
        let (tee, runtime_data) = info.isolation_info.parse()?;
        Ok(Self {
            os: OperatingSystem {
                distribution: text_of("OSDistro", &info.os_distro)?,
                major: info.os_version_major,
                minor: info.os_version_minor,
                build: text_of("OSBuild", &info.os_build)?,
            },
            payload: info.client_payload.0,
            tpm: info.tpm_info.parse()?,
            tee,
            runtime_data,
        })
    }
}

impl raw::Tpm {
    fn parse(&self) -> Result<TpmInfo, GuestRefusal> {
        standard("TpmInfo.AikCert", &self.aik_cert)?;
        let key = |name, text| {
            let area = standard(name, text)?;
            PublicArea::parse(&area).ok_or(member(name, PublicArea::EXPECTED))
        };
        let statement = |name, text, kind: StatementKind| {
            let message = standard(name, text)?;
            Statement::parse(message, kind).ok_or(member(name, kind.expected()))
        };
        Ok(TpmInfo {
            attestation_key: key("TpmInfo.AikPub", &self.aik_pub)?,
            quote: statement("TpmInfo.PcrQuote", &self.pcr_quote, StatementKind::Quote)?,
            quote_signature: standard("TpmInfo.PcrSignature", &self.pcr_signature)?,
            registers: self.registers()?,
            encryption_key: key("TpmInfo.EncKeyPub", &self.enc_key_pub)?,
            certification: statement(
                "TpmInfo.EncKeyCertifyInfo",
                &self.enc_key_certify_info,
                StatementKind::Certification,
            )?,
            certification_signature: standard(
                "TpmInfo.EncKeyCertifyInfoSignature",
                &self.enc_key_certify_info_signature,
            )?,
        })
    }

    /// In rising order.
    fn registers(&self) -> Result<Vec<(u8, [u8; 32])>, GuestRefusal> {
        let mut set = self.pcr_set.clone();
        set.sort_unstable();
        set.dedup();
        let fits = !set.is_empty() && set.len() == self.pcr_set.len();
        if !fits || set.iter().any(|register| *register > 23) {
            return Err(member("TpmInfo.PcrSet", "registers 0 to 23, each once"));
        }
        let mut registers = Vec::new();
        for pcr in &self.pcrs {
            let digest = standard("TpmInfo.PCRs.Digest", &pcr.digest)?;
            let digest = <[u8; 32]>::try_from(digest)
                .map_err(|_| member("TpmInfo.PCRs.Digest", "32 bytes"))?;
            registers.push((pcr.index, digest));
        }
        registers.sort_unstable();
        let indices = registers.iter().map(|(register, _)| *register);
        if !indices.eq(set) {
            return Err(member(
                "TpmInfo.PCRs",
                "the registers in `PcrSet`, each once",
            ));
        }
        Ok(registers)
    }
}

impl raw::Isolation {
    /// The evidence of the TEE, and the paravisor's data.
    fn parse(&self) -> Result<(Evidence, Vec<u8>), GuestRefusal> {
        let parts = || {
            let expected = "`Proof` and `RunTimeData`";
            (self.evidence.as_ref()).ok_or(member("IsolationInfo.Evidence", expected))
        };
        match self.kind.as_str() {
            "SevSnp" => {
                let parts = parts()?;
                Ok((
                    snp(&parts.proof)?,
                    url_safe(RUN_TIME_DATA, &parts.run_time_data)?,
                ))
            }
            "Tdx" => {
                let parts = parts()?;
                let quote = TdxQuote::parse(&standard(PROOF, &parts.proof)?)?;
                let data = standard(RUN_TIME_DATA, &parts.run_time_data)?;
                Ok((Evidence::Tdx(quote), data))
            }
            "TrustedLaunch" => Err(GuestRefusal::TrustedLaunch),
            _ => Err(member("IsolationInfo.Type", "`SevSnp` or `Tdx`")),
        }
    }
}

fn snp(proof: &str) -> Result<Evidence, GuestRefusal> {
    let proof = url_safe(PROOF, proof)?;
    let proof: raw::SnpProof = serde_json::from_slice(&proof)
        .map_err(|_| member(PROOF, "JSON with `SnpReport` and `VcekCertChain`"))?;
    let report = url_safe("IsolationInfo.Evidence.Proof.SnpReport", &proof.snp_report)?;
    let chain = "IsolationInfo.Evidence.Proof.VcekCertChain";
    let chain = url_safe(chain, &proof.vcek_cert_chain)?;
    Ok(Evidence::Snp(SnpEvidence::parse(&report, Some(&chain))?))
}

/// What is read of the paravisor's data.
pub(super) struct Paravisor {
    /// `HCLAkPub`: modulus and exponent in base64url.
    attestation_key: (String, String),
    /// `secure-boot`; one that is not said is off.
    pub(super) secure_boot: bool,
    /// `vmUniqueId`.
    pub(super) vm_id: String,
}

impl Paravisor {
    pub(super) fn parse(data: &[u8]) -> Result<Self, GuestRefusal> {
        let data: raw::Paravisor = serde_json::from_slice(data)
            .map_err(|_| member(RUN_TIME_DATA, "JSON with `keys` and `vm-configuration`"))?;
        let named = data.keys.into_iter().filter(|key| key.kid == "HCLAkPub");
        let Ok([key]) = <[raw::Key; 1]>::try_from(named.collect::<Vec<_>>()) else {
            return Err(member(RUN_TIME_DATA, "one key `HCLAkPub`"));
        };
        Ok(Self {
            attestation_key: (key.n, key.e),
            secure_boot: data.vm_configuration.secure_boot.unwrap_or(false),
            vm_id: data.vm_configuration.vm_unique_id,
        })
    }

    pub(super) fn attestation_key_is(&self, key: &PublicArea) -> bool {
        self.attestation_key == (key.modulus_text(), key.exponent_text())
    }
}

fn text_of(name: &'static str, text: &str) -> Result<String, GuestRefusal> {
    let bytes = standard(name, text)?;
    String::from_utf8(bytes).map_err(|_| member(name, "UTF-8 in base64"))
}

fn standard(name: &'static str, text: &str) -> Result<Vec<u8>, GuestRefusal> {
    let bytes = STANDARD.decode(text);
    bytes.map_err(|_| member(name, "base64 with padding"))
}

fn url_safe(name: &'static str, text: &str) -> Result<Vec<u8>, GuestRefusal> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
    bytes.map_err(|_| member(name, "base64url"))
}

const fn member(member: &'static str, expected: &'static str) -> GuestRefusal {
    GuestRefusal::Member { member, expected }
}

const PROOF: &str = "IsolationInfo.Evidence.Proof";
const RUN_TIME_DATA: &str = "IsolationInfo.Evidence.RunTimeData";
/// 1 MiB in base64.
const MAX_TEXT_BYTES: usize = 1024 * 1024 / 3 * 4;

/// The JSON.
mod raw {
    use std::fmt;

    use serde::Deserialize;
    use serde::de::{Deserializer, Error, MapAccess, Visitor};

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Info {
        pub(super) attestation_protocol_version: String,
        #[serde(rename = "OSType")]
        pub(super) os_type: String,
        #[serde(rename = "OSDistro")]
        pub(super) os_distro: String,
        #[serde(rename = "OSVersionMajor")]
        pub(super) os_version_major: u32,
        #[serde(rename = "OSVersionMinor")]
        pub(super) os_version_minor: u32,
        #[serde(rename = "OSBuild")]
        pub(super) os_build: String,
        pub(super) tcg_logs: String,
        pub(super) client_payload: Payload,
        pub(super) tpm_info: Tpm,
        pub(super) isolation_info: Isolation,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Tpm {
        pub(super) aik_cert: String,
        pub(super) aik_pub: String,
        pub(super) pcr_quote: String,
        pub(super) pcr_signature: String,
        pub(super) pcr_set: Vec<u8>,
        #[serde(rename = "PCRs")]
        pub(super) pcrs: Vec<Pcr>,
        pub(super) enc_key_pub: String,
        pub(super) enc_key_certify_info: String,
        pub(super) enc_key_certify_info_signature: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Pcr {
        pub(super) index: u8,
        pub(super) digest: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Isolation {
        #[serde(rename = "Type")]
        pub(super) kind: String,
        pub(super) evidence: Option<TeeParts>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct TeeParts {
        pub(super) proof: String,
        pub(super) run_time_data: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct SnpProof {
        pub(super) snp_report: String,
        pub(super) vcek_cert_chain: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub(super) struct Paravisor {
        pub(super) keys: Vec<Key>,
        pub(super) vm_configuration: Configuration,
    }

    #[derive(Deserialize)]
    pub(super) struct Key {
        pub(super) kid: String,
        pub(super) n: String,
        pub(super) e: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub(super) struct Configuration {
        pub(super) secure_boot: Option<bool>,
        #[serde(rename = "vmUniqueId")]
        pub(super) vm_unique_id: String,
    }

    /// Names, each once, and texts.
    pub(super) struct Payload(pub(super) Vec<(String, String)>);

    impl<'de> Deserialize<'de> for Payload {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(EachOnce)
        }
    }

    struct EachOnce;

    impl<'de> Visitor<'de> for EachOnce {
        type Value = Payload;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
            let mut members: Vec<(String, String)> = Vec::new();
            while let Some((name, value)) = map.next_entry()? {
                if members.len() == MAX_MEMBERS || members.iter().any(|(one, _)| *one == name) {
                    return Err(A::Error::custom("expected at most 64 members, each once"));
                }
                members.push((name, value));
            }
            Ok(Payload(members))
        }
    }

    const MAX_MEMBERS: usize = 64;
}
