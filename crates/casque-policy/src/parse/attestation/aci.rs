//! `aci`: a group of confidential containers of Azure, by the digest of its policy.

use super::{digests, snp, texts};
use crate::codes;
use crate::fields::{Fields, Keys};
use crate::findings::Findings;
use crate::yaml::Node;
use crate::{AciRule, AllowAllRule, Diagnostic};

pub(super) fn read(node: &Node<'_>, findings: &mut Findings) -> Option<AciRule> {
    let fields = Fields::open(node, &KEYS, findings)?;
    let allow_all = read_allow_all(&fields, findings);
    let may_allow_all = fields.value(ALLOW_ALL);
    if fields.value("policy_digest").is_none()
        && allow_all == AllowAllRule::Forbidden
        && !may_allow_all.is_some_and(Node::is_open)
    {
        let found = fields.missing("policy_digest", "`aci`");
        findings.push(found.hint("the SHA-256 of the group's policy, as `az confcom` prints it"));
    }
    if fields.value("svn_min").is_none() {
        let message = "`aci` has no `svn_min`: a utility virtual machine of any age is accepted";
        let found = Diagnostic::warning(codes::NO_UVM_FLOOR, node.position, message);
        findings.push(found.hint("`casque explain` prints the version that runs now"));
    }
    let policy_digests = digests(&fields, "policy_digest", findings);
    let feeds = match fields.value("feed") {
        None => vec![AciRule::FEED.to_owned()],
        Some(_) => texts(&fields, "feed", findings),
    };
    let least_svn = match fields.value("svn_min") {
        None => Some(0),
        Some(_) => fields.number("svn_min", 0, u64::MAX, findings),
    };
    let issuers = texts(&fields, "issuer", findings);
    judge_issuers(&fields, &issuers, findings);
    let tcb = snp::read_floors(&fields, "`aci`", findings);
    Some(AciRule {
        policy_digests,
        feeds,
        issuers,
        least_svn: least_svn?,
        allow_all,
        tcb: tcb.ok()?,
    })
}

fn read_allow_all(fields: &Fields<'_, '_>, findings: &mut Findings) -> AllowAllRule {
    if !fields.flag(ALLOW_ALL, findings) {
        return AllowAllRule::Forbidden;
    }
    let position = (fields.entry(ALLOW_ALL)).map_or(fields.position, |e| e.position);
    let message = match fields.value("policy_digest") {
        Some(_) => {
            "`dangerous_allow_all_policy`: a policy that allows everything is accepted, if its digest is listed: whoever may start containers there may read the secrets"
        }
        None => {
            "`dangerous_allow_all_policy` without `policy_digest`: every group is accepted, whoever rents it and whatever runs in it"
        }
    };
    let found = Diagnostic::warning(codes::DANGEROUS_ALLOW_ALL_POLICY, position, message);
    findings.push(found.hint(
        "remove it, and name the `policy_digest` of a policy that `az confcom acipolicygen` made without `--debug-mode`",
    ));
    AllowAllRule::DangerousAllowed
}

/// Decentralized identifiers of X.509 certificates (`did:x509`).
fn judge_issuers(fields: &Fields<'_, '_>, issuers: &[String], findings: &mut Findings) {
    let Some(node) = fields.value("issuer") else {
        return;
    };
    if issuers.iter().all(|issuer| issuer.starts_with("did:x509:")) {
        return;
    }
    let message = "`issuer`: expected a decentralized identifier, `did:x509:…`";
    let found = Diagnostic::error(codes::BAD_ISSUER, node.position, message);
    findings.push(found.hint("leave it out to accept those that the operator trusts"));
}

const ALLOW_ALL: &str = "dangerous_allow_all_policy";

pub(in crate::parse) const KEYS: Keys = Keys {
    place: "`aci`",
    read: &[
        "policy_digest",
        "feed",
        "issuer",
        "svn_min",
        "tcb",
        ALLOW_ALL,
    ],
    not_yet: &[],
    legacy: &[],
};
