//! `snp`, and the floors of AMD's platforms.

use std::fmt::Display;

use casque_types::{SnpIdentity, SnpPlatform};

use super::entries::{Context, Known, MEASUREMENT_HINT, at_least};
use super::report::{Report, Rule, listed, one_of};
use crate::{MigrationRule, ReasonCode, SmtRule, SnpFloor, SnpFloors, SnpRule};

/// Judges what a guest is; not its platform.
pub(super) fn judge(rule: &SnpRule, found: &SnpIdentity, path: &str, report: &mut Report) -> bool {
    let mut holds = judge_digests(rule, found, path, report);
    holds &= at_least(
        rule.least_guest_svn,
        found.guest_svn,
        (
            ReasonCode::GuestSvnTooLow,
            &|| format!("{path}.guest_svn_min"),
            "update the guest: this version is too old",
        ),
        report,
    );
    holds &= judge_vmpl(rule.vmpl, found, path, report);
    holds &= judge_migration(rule.migration, found, path, report);
    if rule.smt == SmtRule::Forbidden {
        holds &= report.rule(!found.smt_allowed, || Rule {
            code: ReasonCode::SmtAllowed,
            path: format!("{path}.smt"),
            expected: "a guest that shares no core".to_owned(),
            found: match found.smt_allowed {
                true => "a guest policy that allows simultaneous multithreading".to_owned(),
                false => "a guest policy that forbids simultaneous multithreading".to_owned(),
            },
            hint: "launch the guest with bit 16 of its policy clear, on a host without SMT"
                .to_owned(),
        });
    }
    holds
}

fn judge_digests(rule: &SnpRule, found: &SnpIdentity, path: &str, report: &mut Report) -> bool {
    fn digest<T: PartialEq + Display>(
        allowed: &[T],
        found: &T,
        (code, path, key): (ReasonCode, &str, &str),
        report: &mut Report,
    ) -> bool {
        let hint = match code {
            ReasonCode::MeasurementMismatch => MEASUREMENT_HINT,
            ReasonCode::SnpHostDataMismatch => {
                "launch the guest with the host data that the policy names"
            }
            _ => "compare the id block that the guest is launched with",
        };
        let path = || format!("{path}.{key}");
        one_of(allowed, found, (code, &path, hint), report)
    }
    use ReasonCode as R;
    let r = rule;
    let mut holds = digest(
        &r.measurements,
        &found.measurement,
        (R::MeasurementMismatch, path, "measurement"),
        report,
    );
    holds &= digest(
        &r.host_data,
        &found.host_data,
        (R::SnpHostDataMismatch, path, "host_data"),
        report,
    );
    holds &= digest(
        &r.id_key_digests,
        &found.id_key_digest,
        (R::SnpIdKeyMismatch, path, "id_key_digest"),
        report,
    );
    holds &= digest(
        &r.author_key_digests,
        &found.author_key_digest,
        (R::SnpAuthorKeyMismatch, path, "author_key_digest"),
        report,
    );
    holds &= digest(
        &r.family_ids,
        &found.family_id,
        (R::SnpFamilyMismatch, path, "family_id"),
        report,
    );
    holds
        & digest(
            &r.image_ids,
            &found.image_id,
            (R::SnpImageMismatch, path, "image_id"),
            report,
        )
}

pub(super) fn judge_vmpl(
    expected: u32,
    found: &SnpIdentity,
    path: &str,
    report: &mut Report,
) -> bool {
    let hint = "ask for the report at the privilege level that the policy names; behind a paravisor, use `azure_vm`";
    let path = || format!("{path}.vmpl");
    let told: (ReasonCode, &dyn Fn() -> String, &str) = (ReasonCode::VmplMismatch, &path, hint);
    one_of(&[expected], &found.vmpl, told, report)
}

pub(super) fn judge_migration(
    rule: MigrationRule,
    found: &SnpIdentity,
    path: &str,
    report: &mut Report,
) -> bool {
    let may = rule == MigrationRule::DangerousAllowed;
    report.rule(may || !found.migration_allowed, || Rule {
        code: ReasonCode::MigrationAllowed,
        path: format!("{path}.dangerous_allow_migration"),
        expected: match may {
            true => "a guest that may be moved".to_owned(),
            false => "a guest that stays on its machine".to_owned(),
        },
        found: match found.migration_allowed {
            true => "a guest policy with a migration agent".to_owned(),
            false => "a guest policy without migration agent".to_owned(),
        },
        hint: "launch the guest with bit 18 of its policy clear".to_owned(),
    })
}

/// Judges the platform by the floors of an entry: each component, none for another. A generation without floor is
/// refused.
pub(super) fn judge_floors(
    floors: Option<&SnpFloors>,
    path: &str,
    context: &Context<'_>,
    report: &mut Report,
) -> bool {
    let (Some(floors), Known::Proof { tcb, .. }) = (floors, context.known) else {
        return true;
    };
    let path = format!("{path}.tcb");
    let Some(platform) = &tcb.snp else {
        return report.rule(false, || Rule {
            code: ReasonCode::TcbUnstated,
            path,
            expected: "a platform whose level is stated".to_owned(),
            found: "none".to_owned(),
            hint: "have Casque judge the evidence itself: `require: [maa, evidence]`".to_owned(),
        });
    };
    let floor = platform.product.and_then(|product| {
        let key = product.as_str().to_ascii_lowercase();
        Some((key, floors.0.get(&product)?))
    });
    match floor {
        Some((key, floor)) => {
            let path = format!("{path}.{key}");
            judge_floor(floor, platform, (&path, context.tolerates_outdated), report)
        }
        None => report.rule(false, || floor_missing(floors, platform, path)),
    }
}

fn floor_missing(floors: &SnpFloors, platform: &SnpPlatform, path: String) -> Rule {
    let hint = match platform.product {
        Some(_) => "add the least level for this generation, or run on another one",
        None => "have Casque judge the evidence itself: `require: [maa, evidence]`",
    };
    Rule {
        code: ReasonCode::TcbFloorMissingForGeneration,
        path,
        expected: listed(floors.0.keys()),
        found: platform.product.map_or_else(
            || "a token that states no generation".to_owned(),
            |product| product.to_string(),
        ),
        hint: hint.to_owned(),
    }
}

fn judge_floor(
    floor: &SnpFloor,
    platform: &SnpPlatform,
    (path, tolerates_outdated): (&str, bool),
    report: &mut Report,
) -> bool {
    let mut holds = true;
    for (key, least, found) in floor.beside(&platform.reported_tcb) {
        if least == 0 {
            continue;
        }
        holds &= report.rule(found >= least || tolerates_outdated, || Rule {
            code: ReasonCode::TcbBelowMinimum,
            path: format!("{path}.{key}"),
            expected: match tolerates_outdated {
                true => format!("{key} at least {least}, or `outdated-tcb`"),
                false => format!("{key} at least {least}"),
            },
            found: format!("{key} {found}"),
            hint: "update the platform's firmware, or move the workload to another machine"
                .to_owned(),
        });
    }
    holds
}
