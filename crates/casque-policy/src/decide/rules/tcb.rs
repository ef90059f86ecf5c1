//! Rule 4: the platform's TCB by the vendor's status and advisories, spec/evidence.md section 5.

use casque_appraise::{AdvisoryId, Tcb, TcbStatus};

use super::TOLERATE_PATH;
use super::report::{Report, Rule, listed};
use crate::{IgnoredAdvisories, Mode, ReasonCode, Security, Toleration};

/// With `mode: maa` a status counts where the token states one, and the attestation service's baseline where not,
/// which the policy must accept by `maa-managed-tcb`. Accepted, it decides alone; but nothing covers what is revoked.
pub(super) fn judge(security: &Security, tcb: &Tcb, report: &mut Report) -> bool {
    let is_maa = matches!(security.mode, Mode::Maa(_));
    let is_managed = is_maa && security.tolerate.contains(&Toleration::MaaManagedTcb);
    if is_managed && tcb.status != TcbStatus::Revoked {
        return report.rule(true, || managed(tcb.status));
    }
    if is_maa && tcb.status == TcbStatus::Unstated {
        return report.rule(false, || managed(tcb.status));
    }
    let holds = judge_status(security, tcb.status, report);
    holds & judge_advisories(security, &tcb.advisories, report)
}

fn managed(status: TcbStatus) -> Rule {
    untolerated(ReasonCode::TcbManagedByMaa, "`maa-managed-tcb`", status)
}

fn judge_status(security: &Security, status: TcbStatus, report: &mut Report) -> bool {
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
        TcbStatus::UpToDate | TcbStatus::ByVersions => {
            return report.rule(true, || up_to_date(status));
        }
        TcbStatus::SwHardeningNeeded => vec![hardening],
        TcbStatus::ConfigurationNeeded => vec![configuration],
        TcbStatus::ConfigurationAndSwHardeningNeeded => vec![configuration, hardening],
        TcbStatus::OutOfDate | TcbStatus::TdRelaunchAdvised => vec![outdated],
        TcbStatus::OutOfDateConfigurationNeeded
        | TcbStatus::TdRelaunchAdvisedConfigurationNeeded => vec![outdated, configuration],
        TcbStatus::Revoked => vec![never(ReasonCode::TcbRevoked)],
        TcbStatus::Unstated => vec![never(ReasonCode::TcbUnstated)],
    };
    let mut holds = true;
    for (code, word, is_tolerated) in needed {
        holds &= report.rule(is_tolerated, || untolerated(code, word, status));
    }
    holds
}

fn up_to_date(status: TcbStatus) -> Rule {
    let expected = match status {
        TcbStatus::ByVersions => "versions of components, by `tcb` of an entry",
        _ => "a platform that is up to date",
    };
    Rule {
        code: ReasonCode::TcbOutdated,
        path: TOLERATE_PATH.to_owned(),
        expected: expected.to_owned(),
        found: status.to_string(),
        hint: String::new(),
    }
}

fn untolerated(code: ReasonCode, word: &str, status: TcbStatus) -> Rule {
    let hint = if word == NOTHING_TOLERATES {
        "move the workload to another machine".to_owned()
    } else {
        format!("update the platform, or add {word} to `tolerate`")
    };
    Rule {
        code,
        path: TOLERATE_PATH.to_owned(),
        expected: format!("a platform that is up to date, or {word}"),
        found: status.to_string(),
        hint,
    }
}

fn judge_advisories(security: &Security, advisories: &[AdvisoryId], report: &mut Report) -> bool {
    let mut holds = true;
    for advisory in advisories {
        holds &= report.rule(is_covered(security, advisory), || Rule {
            code: ReasonCode::AdvisoryNotIgnored,
            path: "security.attestation.ignore_advisories".to_owned(),
            expected: match &security.ignore_advisories {
                IgnoredAdvisories::All => "any advisory".to_owned(),
                IgnoredAdvisories::Listed(ignored) => listed(ignored),
            },
            found: advisory.to_string(),
            hint: format!(
                "read {advisory}; if it does not matter here, add it to `ignore_advisories`"
            ),
        });
    }
    holds
}

fn is_covered(security: &Security, advisory: &AdvisoryId) -> bool {
    let is_ignored = match &security.ignore_advisories {
        IgnoredAdvisories::All => true,
        IgnoredAdvisories::Listed(ignored) => ignored.contains(advisory),
    };
    let mut shortcuts = SHORTCUTS.iter();
    is_ignored
        || shortcuts.any(|(toleration, number)| {
            security.tolerate.contains(toleration)
                && AdvisoryId::from_number(*number).as_ref() == Some(advisory)
        })
}

/// Tolerations that stand for one advisory each.
const SHORTCUTS: [(Toleration, u32); 3] = [
    (Toleration::Hyperthreading, 233),
    (Toleration::InsecureIgpu, 219),
    (Toleration::AepicLeak, 657),
];
const NOTHING_TOLERATES: &str = "nothing: no toleration covers it";
