//! The rules, over what was proved: pure functions, so that tests reach every one of them.
//!
//! 1. who must have judged: `security.attestation.mode`
//! 2. who may ask: any entry of the service's `attestation`, all factors of that entry
//! 3. TEEs whose memory can be read from outside
//! 4. the platform's TCB, spec/evidence.md section 5
//! 5. the machine: the service's `platforms`, section 2
//! 6. second factors: one-time password, service access token
//!
//! With `mode: none`, of the second rule the service accounts of entries count alone, since they are second factors.

mod aci;
mod azure_vm;
mod entries;
mod factors;
mod report;
mod snp;
mod tcb;
mod tdx;
mod token;

use casque_appraise::{Identity, Tcb, Verdict, Verifier};
use casque_types::{AzureVmTee, Digest};

use crate::decide::{Demands, Factors};
use crate::{Mode, Platform, ReasonCode, Toleration};

pub(super) use entries::Known;
use report::listed;
pub(super) use report::{Outcome, Report, Rule, Told};
pub(super) use token::Statement;

/// What an appraisal proved.
pub(super) struct Proof<'p> {
    pub(super) identity: &'p Identity,
    pub(super) tcb: &'p Tcb,
    pub(super) verifier: &'p Verifier,
    /// The id of the quoting enclave, where the evidence proves it.
    pub(super) platform: Option<&'p Digest<16>>,
    /// What the attestation service says, where it judged.
    pub(super) token: Option<&'p dyn Statement>,
}

impl<'p> Proof<'p> {
    pub(super) fn of(verdict: &'p Verdict) -> Self {
        Self {
            identity: verdict.identity(),
            tcb: verdict.tcb(),
            verifier: verdict.verifier(),
            platform: verdict.platform(),
            token: verdict.token().map(|token| -> &dyn Statement { token }),
        }
    }
}

/// Judges every rule. Whether all hold; of alternatives, one.
pub(super) fn judge(
    demands: &Demands<'_>,
    proof: &Proof<'_>,
    factors: Option<&Factors>,
    report: &mut Report,
) -> bool {
    let holds = judge_evidence(demands, proof, factors, report); // 1 to 5
    holds & factors::judge(demands, factors, report) // 6
}

fn judge_evidence(
    demands: &Demands<'_>,
    proof: &Proof<'_>,
    factors: Option<&Factors>,
    report: &mut Report,
) -> bool {
    let mode = &demands.security.mode;
    if *mode == Mode::DangerousNone {
        let holds = report.rule(true, || {
            verifier_mismatch(mode, &proof.verifier.to_string())
        });
        return holds & entries::judge_accounts(demands, factors, report);
    }
    // Nothing was proved: the other rules would only repeat that.
    if *proof.verifier == Verifier::Nobody {
        return report.rule(false, || evidence_missing(mode));
    }
    let known = Known::Proof {
        tcb: proof.tcb,
        token: proof.token,
        factors,
    };
    let mut holds = judge_verifier(mode, proof.verifier, report); // 1
    holds &= judge_identity(demands, proof.identity, known, report); // 2, 3
    holds &= tcb::judge(&demands.security, proof.tcb, report); // 4
    holds & judge_platform(demands, proof.platform, report) // 5
}

fn judge_verifier(mode: &Mode, verifier: &Verifier, report: &mut Report) -> bool {
    match (mode, verifier) {
        (Mode::Maa(maa), Verifier::Maa { issuer })
        | (Mode::Both(maa), Verifier::Both { issuer }) => {
            report.rule(maa.url == *issuer, || Rule {
                code: ReasonCode::IssuerMismatch,
                path: "security.attestation.url".to_owned(),
                expected: maa.url.to_string(),
                found: issuer.to_string(),
                hint: "ask the instance that the policy names, or name this one".to_owned(),
            })
        }
        (Mode::DangerousNone, _) | (Mode::Hardware, Verifier::Casque) => {
            report.rule(true, || verifier_mismatch(mode, CASQUE))
        }
        (Mode::Hardware | Mode::Both(_), Verifier::Maa { .. }) => {
            report.rule(false, || verifier_mismatch(mode, TOKEN))
        }
        (Mode::Maa(_) | Mode::Both(_), Verifier::Casque) => {
            report.rule(false, || verifier_mismatch(mode, CASQUE))
        }
        (Mode::Hardware | Mode::Maa(_), Verifier::Both { .. }) => {
            let found = "evidence that both judged";
            report.rule(false, || verifier_mismatch(mode, found))
        }
        (_, Verifier::Nobody) => report.rule(false, || evidence_missing(mode)),
    }
}

pub(super) fn evidence_missing(mode: &Mode) -> Rule {
    Rule {
        code: ReasonCode::EvidenceMissing,
        path: MODE_PATH.to_owned(),
        expected: demanded(mode).to_owned(),
        found: "no evidence".to_owned(),
        hint: "run the workload in a TEE, with an agent that finds its evidence source".to_owned(),
    }
}

pub(super) fn verifier_mismatch(mode: &Mode, found: &str) -> Rule {
    Rule {
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
        Mode::DangerousNone => "`mode: none`, nothing",
    }
}

/// Rules 2 and 3.
pub(super) fn judge_identity(
    demands: &Demands<'_>,
    identity: &Identity,
    known: Known<'_>,
    report: &mut Report,
) -> bool {
    let holds = entries::judge(demands, identity, known, report);
    holds & judge_debug(demands, identity, report)
}

/// Rule 3, one for every kind: the memory of a TEE can be read from outside.
fn judge_debug(demands: &Demands<'_>, identity: &Identity, report: &mut Report) -> bool {
    let is_debug = match identity {
        Identity::Unattested => return true,
        Identity::Sgx(sgx) => sgx.debug,
        Identity::Snp(snp) => snp.debug,
        Identity::Tdx(tdx) => tdx.debug,
        Identity::AzureVm(vm) => match &vm.tee {
            AzureVmTee::Snp(snp) => snp.debug,
            AzureVmTee::Tdx(tdx) => tdx.debug,
        },
        Identity::Aci(aci) => aci.snp.debug,
    };
    let is_tolerated = demands.security.tolerate.contains(&Toleration::DebugMode);
    report.rule(!is_debug || is_tolerated, || Rule {
        code: ReasonCode::DebugEnclave,
        path: TOLERATE_PATH.to_owned(),
        expected: match is_tolerated {
            true => "a TEE without debugging, or `debug-mode`".to_owned(),
            false => "a TEE without debugging".to_owned(),
        },
        found: match is_debug {
            true => "one whose memory can be read from outside".to_owned(),
            false => "one without".to_owned(),
        },
        hint: "build or launch it for production; to try things out, tolerate `debug-mode`"
            .to_owned(),
    })
}

/// Rule 5, where Casque itself judged: no token names a machine.
fn judge_platform(demands: &Demands<'_>, found: Option<&Digest<16>>, report: &mut Report) -> bool {
    let platforms = &demands.platforms;
    let judges_itself = matches!(demands.security.mode, Mode::Hardware | Mode::Both(_));
    if !judges_itself || platforms.is_empty() {
        return true;
    }
    let is_named = |platform: &Platform| match platform {
        Platform::IntelQe(id) => found == Some(id),
        Platform::SconeQe(_) => false,
    };
    report.rule(platforms.iter().any(is_named), || Rule {
        code: ReasonCode::PlatformMismatch,
        path: format!("services[{}].platforms", demands.service),
        expected: listed(platforms.iter().map(|platform| match platform {
            Platform::IntelQe(id) => format!("INTEL_QE_ID:{id}"),
            Platform::SconeQe(key) => {
                format!("the SCONE QE {key}, which gives no evidence any more")
            }
        })),
        found: found.map_or_else(
            || "evidence that names no machine".to_owned(),
            |id| format!("INTEL_QE_ID:{id}"),
        ),
        hint: "run the workload on a machine that the policy names, or add this one".to_owned(),
    })
}

const CASQUE: &str = "evidence that Casque itself judged";
const TOKEN: &str = "a token of the attestation service";
const MODE_PATH: &str = "security.attestation.mode";
const TOLERATE_PATH: &str = "security.attestation.tolerate";

#[cfg(test)]
mod tests;
