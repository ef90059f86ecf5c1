//! `tdx`.

use casque_types::{Digest, TdxIdentity};

use super::entries::MEASUREMENT_HINT;
use super::report::{Report, Rule, one_of};
use crate::{ReasonCode, TdxFloor, TdxRule};

/// Judges what a domain is, and the versions that it was launched at; not what Intel says of them.
pub(super) fn judge(rule: &TdxRule, found: &TdxIdentity, path: &str, report: &mut Report) -> bool {
    use ReasonCode as R;
    let mut holds = true;
    let mut digest = |allowed: &[Digest<48>], found: &Digest<48>, code: R, key: &str| {
        let hint = match code {
            R::TdxModuleMismatch => {
                "the TDX module of the machine is another one: compare its versions"
            }
            R::TdxConfigMismatch => "launch the domain with what the policy names",
            _ => MEASUREMENT_HINT,
        };
        let path = || format!("{path}.{key}");
        holds &= one_of(allowed, found, (code, &path, hint), report);
    };
    let [rtmr0, rtmr1, rtmr2, rtmr3] = &rule.rtmr;
    let [found0, found1, found2, found3] = &found.rtmr;
    digest(&rule.mr_td, &found.mr_td, R::MeasurementMismatch, "mrtd");
    digest(rtmr0, found0, R::TdxRtmrMismatch, "rtmr0");
    digest(rtmr1, found1, R::TdxRtmrMismatch, "rtmr1");
    digest(rtmr2, found2, R::TdxRtmrMismatch, "rtmr2");
    digest(rtmr3, found3, R::TdxRtmrMismatch, "rtmr3");
    let config = &found.mr_config_id;
    digest(
        &rule.mr_config_id,
        config,
        R::TdxConfigMismatch,
        "mrconfigid",
    );
    digest(
        &rule.mr_owner,
        &found.mr_owner,
        R::TdxOwnerMismatch,
        "mrowner",
    );
    let owner_config = &found.mr_owner_config;
    let code = R::TdxOwnerConfigMismatch;
    digest(&rule.mr_owner_config, owner_config, code, "mrownerconfig");
    digest(
        &rule.mr_seam,
        &found.mr_seam,
        R::TdxModuleMismatch,
        "mrseam",
    );
    let signer = &found.mr_signer_seam;
    let code = R::TdxModuleSignerMismatch;
    digest(&rule.mr_signer_seam, signer, code, "mrsignerseam");
    holds & judge_floor(rule.floor.as_ref(), &found.tee_tcb_svn, path, report)
}

/// Each component, none for another: that is how Intel compares them. No toleration lowers a floor, which a policy
/// states to say how much of what it tolerates is too much.
fn judge_floor(
    floor: Option<&TdxFloor>,
    found: &Digest<16>,
    path: &str,
    report: &mut Report,
) -> bool {
    let mut holds = true;
    for (number, least, found) in floor.iter().flat_map(|floor| floor.beside(found)) {
        holds &= report.rule(found >= least, || Rule {
            code: ReasonCode::TdxSvnTooLow,
            path: format!("{path}.tee_tcb_svn_min[{number}]"),
            expected: format!("component {number} at least {least}"),
            found: format!("component {number} at {found}"),
            hint: match number {
                0 | 1 => "update the TDX module of the machine, and launch the domain anew",
                _ => "update the firmware and microcode of the machine, and launch the domain anew",
            }
            .to_owned(),
        });
    }
    holds
}
