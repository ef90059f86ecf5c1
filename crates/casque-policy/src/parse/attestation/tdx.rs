//! `tdx`: a trust domain of Intel TDX.

use super::{digests, nothing_pinned};
use crate::TdxRule;
use crate::fields::{Fields, Keys};
use crate::findings::Findings;
use crate::yaml::Node;

/// Reads an entry that must tell its domain from others.
pub(super) fn read(node: &Node<'_>, findings: &mut Findings) -> Option<TdxRule> {
    let fields = Fields::open(node, &KEYS, findings)?;
    if !PINS.iter().any(|key| fields.value(key).is_some()) {
        let needed =
            "`mrtd`, a register `rtmr0` to `rtmr3`, `mrconfigid`, `mrowner` or `mrownerconfig`";
        findings.push(nothing_pinned(node, "`tdx`", needed));
    }
    Some(read_fields(&fields, findings))
}

/// Reads one that need not, below a paravisor.
pub(super) fn read_below_paravisor(node: &Node<'_>, findings: &mut Findings) -> Option<TdxRule> {
    let fields = Fields::open(node, &KEYS, findings)?;
    Some(read_fields(&fields, findings))
}

fn read_fields(fields: &Fields<'_, '_>, findings: &mut Findings) -> TdxRule {
    let mut any = |key| digests(fields, key, findings);
    TdxRule {
        mr_td: any("mrtd"),
        rtmr: [any("rtmr0"), any("rtmr1"), any("rtmr2"), any("rtmr3")],
        mr_config_id: any("mrconfigid"),
        mr_owner: any("mrowner"),
        mr_owner_config: any("mrownerconfig"),
        mr_seam: any("mrseam"),
        mr_signer_seam: any("mrsignerseam"),
    }
}

/// What tells one domain from others; the module is Intel's for all of them.
const PINS: &[&str] = &[
    "mrtd",
    "rtmr0",
    "rtmr1",
    "rtmr2",
    "rtmr3",
    "mrconfigid",
    "mrowner",
    "mrownerconfig",
];

pub(in crate::parse) const KEYS: Keys = Keys {
    place: "`tdx`",
    read: &[
        "mrtd",
        "rtmr0",
        "rtmr1",
        "rtmr2",
        "rtmr3",
        "mrconfigid",
        "mrowner",
        "mrownerconfig",
        "mrseam",
        "mrsignerseam",
    ],
    not_yet: &[],
    legacy: &[],
};
