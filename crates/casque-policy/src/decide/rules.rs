//! The rules, over what was proved: pure functions, so that tests reach every one of them.
//!
//! 1. who must have judged: `security.attestation.mode`
//! 2. who may ask: any entry of the service's `attestation`, all factors of that entry
//! 3. debug enclaves
//! 4. the platform's TCB, spec/evidence.md section 5
//! 5. the machine: the service's `platforms`, section 2
//! 6. second factors: one-time password, service access token

use std::fmt::Display;

use casque_appraise::{AdvisoryId, Identity, Tcb, TcbStatus, Verifier};
use casque_types::{Digest, SgxIdentity};

use crate::decide::{Demands, FactorOutcome, Factors};
use crate::{
    AttestationEntry, IgnoredAdvisories, Mode, Platform, Reason, ReasonCode, Security, SignerRule,
    Toleration,
};

/// What an appraisal proved.
pub(super) struct Proof<'p> {
    pub(super) identity: &'p Identity,
    pub(super) tcb: &'p Tcb,
    pub(super) verifier: &'p Verifier,
    /// The id of the quoting enclave, where the evidence proves it.
    pub(super) platform: Option<&'p Digest<16>>,
}

/// Every rule that fails.
pub(super) fn judge(demands: &Demands<'_>, proof: &Proof<'_>) -> Vec<Reason> {
    let mode = &demands.security.mode;
    if *mode == Mode::DangerousNone {
        return Vec::new();
    }
    // Nothing was proved: the other rules would only repeat that.
    if *proof.verifier == Verifier::Nobody {
        return vec![evidence_missing(mode)];
    }
    let mut reasons = judge_verifier(mode, proof.verifier); // 1
    reasons.extend(judge_identity(demands, proof.identity)); // 2, 3
    reasons.extend(judge_tcb(&demands.security, proof.tcb)); // 4
    reasons.extend(judge_platform(demands, proof.platform)); // 5
    reasons
}

fn judge_verifier(mode: &Mode, verifier: &Verifier) -> Vec<Reason> {
    match (mode, verifier) {
        (Mode::DangerousNone, _) | (Mode::Hardware, Verifier::Casque) => Vec::new(),
        (Mode::Maa(maa), Verifier::Maa { issuer })
        | (Mode::Both(maa), Verifier::Both { issuer })
            if maa.url == *issuer =>
        {
            Vec::new()
        }
        (Mode::Maa(maa), Verifier::Maa { issuer })
        | (Mode::Both(maa), Verifier::Both { issuer }) => vec![Reason {
            code: ReasonCode::IssuerMismatch,
            path: "security.attestation.url".to_owned(),
            expected: maa.url.to_string(),
            found: issuer.to_string(),
            hint: "ask the instance that the policy names, or name this one".to_owned(),
        }],
        (Mode::Hardware | Mode::Both(_), Verifier::Maa { .. }) => {
            vec![verifier_mismatch(
                mode,
                "a token of the attestation service",
            )]
        }
        (Mode::Maa(_) | Mode::Both(_), Verifier::Casque) => {
            vec![verifier_mismatch(
                mode,
                "evidence that Casque itself judged",
            )]
        }
        (Mode::Hardware | Mode::Maa(_), Verifier::Both { .. }) => {
            vec![verifier_mismatch(mode, "evidence that both judged")]
        }
        (_, Verifier::Nobody) => vec![evidence_missing(mode)],
    }
}

pub(super) fn evidence_missing(mode: &Mode) -> Reason {
    Reason {
        code: ReasonCode::EvidenceMissing,
        path: MODE_PATH.to_owned(),
        expected: demanded(mode).to_owned(),
        found: "no evidence".to_owned(),
        hint: "run the workload in a TEE, with an agent that finds its evidence source".to_owned(),
    }
}

pub(super) fn verifier_mismatch(mode: &Mode, found: &str) -> Reason {
    Reason {
        code: ReasonCode::VerifierMismatch,
        path: MODE_PATH.to_owned(),
        expected: demanded(mode).to_owned(),
        found: found.to_owned(),
        hint: "change the policy's mode, or what the agent brings".to_owned(),
    }
}

const fn demanded(mode: &Mode) -> &'static str {
    match mode {
        Mode::Hardware => "`mode: hardware`, evidence that Casque itself judges",
        Mode::Both(_) => "`require: [maa, evidence]`, evidence that both judge",
        Mode::Maa(_) => "`mode: maa`, a token of the policy's attestation service",
        Mode::DangerousNone => "nothing",
    }
}

/// Rule 6: second factors, with any mode.
pub(super) fn judge_factors(demands: &Demands<'_>, factors: &Factors) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if demands.one_time_password.is_some() {
        reasons.extend(judge_one_time_password(factors.one_time_password));
    }
    if demands.security.service_access_token.is_some() {
        reasons.extend(judge_access_token(factors.service_access_token));
    }
    reasons
}

fn judge_one_time_password(outcome: FactorOutcome) -> Option<Reason> {
    let (code, found) = match outcome {
        FactorOutcome::Right => return None,
        FactorOutcome::Absent => (ReasonCode::OtpMissing, "none"),
        FactorOutcome::Wrong => (ReasonCode::OtpWrong, "another one"),
    };
    Some(Reason {
        code,
        path: "security.attestation.one_time_password_shared_secret".to_owned(),
        expected: "the one-time password of this moment".to_owned(),
        found: found.to_owned(),
        hint: "append `@` and the six digits to the config id; look at the clocks of both sides"
            .to_owned(),
    })
}

fn judge_access_token(outcome: FactorOutcome) -> Option<Reason> {
    let (code, found) = match outcome {
        FactorOutcome::Right => return None,
        FactorOutcome::Absent => (ReasonCode::AccessTokenMissing, "none"),
        FactorOutcome::Wrong => (ReasonCode::AccessTokenWrong, "a proof of another token"),
    };
    Some(Reason {
        code,
        path: "security.service_access_token".to_owned(),
        expected: "a proof that the attester knows the service access token".to_owned(),
        found: found.to_owned(),
        hint: "start the agent with `SCONE_SERVICE_ACCESS_TOKEN` set to the policy's token"
            .to_owned(),
    })
}

/// Rules 2 and 3.
pub(super) fn judge_identity(demands: &Demands<'_>, identity: &Identity) -> Vec<Reason> {
    let Identity::Sgx(identity) = identity else {
        return vec![Reason {
            code: ReasonCode::IdentityMismatch,
            path: format!("services[{}].attestation", demands.service),
            expected: "an SGX enclave".to_owned(),
            found: "evidence that names none".to_owned(),
            hint: "run the workload in an SGX enclave".to_owned(),
        }];
    };
    let mut reasons = judge_entries(demands, identity);
    if identity.debug && !demands.security.tolerate.contains(&Toleration::DebugMode) {
        reasons.push(debug_enclave());
    }
    reasons
}

fn debug_enclave() -> Reason {
    Reason {
        code: ReasonCode::DebugEnclave,
        path: TOLERATE_PATH.to_owned(),
        expected: "an enclave without the DEBUG attribute".to_owned(),
        found: "a debug enclave, whose memory can be read from outside".to_owned(),
        hint: "build it for production; to try things out, tolerate `debug-mode`".to_owned(),
    }
}

/// None, if any entry is satisfied; what failed in every entry otherwise.
fn judge_entries(demands: &Demands<'_>, identity: &SgxIdentity) -> Vec<Reason> {
    let path = format!("services[{}].attestation", demands.service);
    if demands.entries.is_empty() {
        return vec![Reason {
            code: ReasonCode::AttestationMissing,
            path,
            expected: "an entry that says who may ask".to_owned(),
            found: "none".to_owned(),
            hint: "add the measurement or the signer to the service".to_owned(),
        }];
    }
    let mut reasons = Vec::new();
    for (index, entry) in demands.entries.iter().enumerate() {
        let failed = judge_entry(entry, identity, &format!("{path}[{index}]"));
        if failed.is_empty() {
            return failed;
        }
        reasons.extend(failed);
    }
    reasons
}

fn judge_entry(entry: &AttestationEntry, identity: &SgxIdentity, path: &str) -> Vec<Reason> {
    let mut reasons = Vec::new();
    // An entry that demands nothing satisfies nobody; the parser refuses it too.
    let demands_nothing = entry.mr_enclaves.is_empty() && entry.signer.is_none();
    let demands_measurement = !entry.mr_enclaves.is_empty() || demands_nothing;
    if demands_measurement && !entry.mr_enclaves.contains(&identity.mr_enclave) {
        reasons.push(Reason {
            code: ReasonCode::MeasurementMismatch,
            path: format!("{path}.mrenclave"),
            expected: listed(&entry.mr_enclaves),
            found: identity.mr_enclave.to_string(),
            hint: "the program differs from the one that was measured: rebuild it, or update the policy"
                .to_owned(),
        });
    }
    if let Some(rule) = &entry.signer {
        reasons.extend(judge_signer(rule, identity, &format!("{path}.signer")));
    }
    reasons
}

fn judge_signer(rule: &SignerRule, identity: &SgxIdentity, path: &str) -> Vec<Reason> {
    let failed = |code, key: &str, expected: String, found: String, hint: &str| Reason {
        code,
        path: format!("{path}.{key}"),
        expected,
        found,
        hint: hint.to_owned(),
    };
    let mut reasons = Vec::new();
    if rule.mr_signer != identity.mr_signer {
        reasons.push(failed(
            ReasonCode::SignerMismatch,
            "mrsigner",
            rule.mr_signer.to_string(),
            identity.mr_signer.to_string(),
            "sign the enclave with the key that the policy names",
        ));
    }
    if rule.product_id != identity.product_id {
        reasons.push(failed(
            ReasonCode::ProductMismatch,
            "isvprodid",
            rule.product_id.to_string(),
            identity.product_id.to_string(),
            "compare the product id that the enclave is signed with",
        ));
    }
    let (least, greatest, found) = (rule.svn.least, rule.svn.greatest, identity.svn);
    if found < least {
        reasons.push(failed(
            ReasonCode::SvnTooLow,
            "isvsvn",
            format!("at least {least}"),
            found.to_string(),
            "update the program: this version is too old",
        ));
    }
    if found > greatest {
        reasons.push(failed(
            ReasonCode::SvnTooHigh,
            "isvsvn",
            format!("at most {greatest}"),
            found.to_string(),
            "raise the bound in the policy once the new version is trusted",
        ));
    }
    reasons
}

/// Rule 4. With `mode: maa` the attestation service's baseline decides, and the policy must say so.
fn judge_tcb(security: &Security, tcb: &Tcb) -> Vec<Reason> {
    match security.mode {
        Mode::DangerousNone => Vec::new(),
        Mode::Maa(_) if security.tolerate.contains(&Toleration::MaaManagedTcb) => Vec::new(),
        Mode::Maa(_) => vec![untolerated(
            ReasonCode::TcbManagedByMaa,
            "`maa-managed-tcb`",
            TcbStatus::Unstated,
        )],
        Mode::Hardware | Mode::Both(_) => {
            let mut reasons = judge_status(security, tcb.status);
            reasons.extend(judge_advisories(security, &tcb.advisories));
            reasons
        }
    }
}

fn judge_status(security: &Security, status: TcbStatus) -> Vec<Reason> {
    let tolerates = |toleration| security.tolerate.contains(&toleration);
    let hardening = (
        ReasonCode::TcbNeedsHardening,
        "`software-hardening-needed`",
        tolerates(Toleration::SoftwareHardeningNeeded),
    );
    let configuration = (
        ReasonCode::TcbNeedsConfiguration,
        "`insecure-configuration`, `hyperthreading`, `insecure-igpu` or `aepic-leak`",
        tolerates(Toleration::InsecureConfiguration)
            || SHORTCUTS
                .iter()
                .any(|(toleration, _)| tolerates(*toleration)),
    );
    let outdated = (
        ReasonCode::TcbOutdated,
        "`outdated-tcb`",
        tolerates(Toleration::OutdatedTcb),
    );
    let never = |code| (code, NOTHING_TOLERATES, false);
    let needed = match status {
        TcbStatus::UpToDate | TcbStatus::ByVersions => vec![],
        TcbStatus::SwHardeningNeeded => vec![hardening],
        TcbStatus::ConfigurationNeeded => vec![configuration],
        TcbStatus::ConfigurationAndSwHardeningNeeded => vec![configuration, hardening],
        TcbStatus::OutOfDate | TcbStatus::TdRelaunchAdvised => vec![outdated],
        TcbStatus::OutOfDateConfigurationNeeded
        | TcbStatus::TdRelaunchAdvisedConfigurationNeeded => vec![outdated, configuration],
        TcbStatus::Revoked => vec![never(ReasonCode::TcbRevoked)],
        TcbStatus::Unstated => vec![never(ReasonCode::TcbUnstated)],
    };
    needed
        .into_iter()
        .filter(|(_, _, tolerated)| !tolerated)
        .map(|(code, word, _)| untolerated(code, word, status))
        .collect()
}

fn untolerated(code: ReasonCode, word: &str, status: TcbStatus) -> Reason {
    let hint = if word == NOTHING_TOLERATES {
        "move the workload to another machine".to_owned()
    } else {
        format!("update the platform, or add {word} to `tolerate`")
    };
    Reason {
        code,
        path: TOLERATE_PATH.to_owned(),
        expected: format!("a platform that is up to date, or {word}"),
        found: status.to_string(),
        hint,
    }
}

/// Rule 5, with `mode: hardware` alone: no other mode's evidence names a machine.
fn judge_platform(demands: &Demands<'_>, found: Option<&Digest<16>>) -> Option<Reason> {
    let platforms = &demands.platforms;
    let is_named = |platform: &Platform| match platform {
        Platform::IntelQe(id) => found == Some(id),
        Platform::SconeQe(_) => false,
    };
    if demands.security.mode != Mode::Hardware
        || platforms.is_empty()
        || platforms.iter().any(is_named)
    {
        return None;
    }
    let names = platforms.iter().map(|platform| match platform {
        Platform::IntelQe(id) => format!("INTEL_QE_ID:{id}"),
        Platform::SconeQe(key) => format!("the SCONE QE {key}, which gives no evidence any more"),
    });
    Some(Reason {
        code: ReasonCode::PlatformMismatch,
        path: format!("services[{}].platforms", demands.service),
        expected: listed(names),
        found: found.map_or_else(
            || "evidence that names no machine".to_owned(),
            |id| format!("INTEL_QE_ID:{id}"),
        ),
        hint: "run the workload on a machine that the policy names, or add this one".to_owned(),
    })
}

fn judge_advisories(security: &Security, advisories: &[AdvisoryId]) -> Vec<Reason> {
    let IgnoredAdvisories::Listed(ignored) = &security.ignore_advisories else {
        return Vec::new();
    };
    let is_covered = |advisory: &AdvisoryId| {
        SHORTCUTS.iter().any(|(toleration, number)| {
            security.tolerate.contains(toleration)
                && AdvisoryId::from_number(*number).as_ref() == Some(advisory)
        })
    };
    advisories
        .iter()
        .filter(|advisory| !ignored.contains(*advisory) && !is_covered(advisory))
        .map(|advisory| Reason {
            code: ReasonCode::AdvisoryNotIgnored,
            path: "security.attestation.ignore_advisories".to_owned(),
            expected: listed(ignored.iter()),
            found: advisory.to_string(),
            hint: format!(
                "read {advisory}; if it does not matter here, add it to `ignore_advisories`"
            ),
        })
        .collect()
}

fn listed<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.len() {
        0 => "none".to_owned(),
        1 => items.concat(),
        _ => format!("one of {}", items.join(", ")),
    }
}

/// Tolerations that stand for one advisory each.
const SHORTCUTS: [(Toleration, u32); 3] = [
    (Toleration::Hyperthreading, 233),
    (Toleration::InsecureIgpu, 219),
    (Toleration::AepicLeak, 657),
];
const MODE_PATH: &str = "security.attestation.mode";
const TOLERATE_PATH: &str = "security.attestation.tolerate";
const NOTHING_TOLERATES: &str = "nothing: no toleration covers it";

#[cfg(test)]
mod tests;
