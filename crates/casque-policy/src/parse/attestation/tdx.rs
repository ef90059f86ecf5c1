//! `tdx`: a trust domain of Intel TDX.

use super::{Beside, Unread, digests, member, nothing_pinned, read_digest};
use crate::fields::{Fields, Keys};
use crate::findings::Findings;
use crate::yaml::Node;
use crate::{TdxFloor, TdxRule};

/// Reads an entry that must tell its domain from others.
pub(super) fn read(node: &Node<'_>, beside: Beside, findings: &mut Findings) -> Option<TdxRule> {
    let fields = Fields::open(node, &KEYS, findings)?;
    let (pins, needed): (&[&str], _) = match beside {
        Beside::Nothing => (PINS, "`mrtd`"),
        Beside::Claims => (
            PINS_BESIDE_CLAIMS,
            "`mrtd`, a register `rtmr0` to `rtmr3`, `mrconfigid`, `mrowner` or `mrownerconfig`",
        ),
    };
    if !pins.iter().any(|key| fields.value(key).is_some()) {
        findings.push(nothing_pinned(node, "`tdx`", needed));
    }
    read_fields(&fields, findings).ok()
}

/// Reads one that need not, below a paravisor.
pub(super) fn read_below_paravisor(node: &Node<'_>, findings: &mut Findings) -> Option<TdxRule> {
    let fields = Fields::open(node, &KEYS, findings)?;
    read_fields(&fields, findings).ok()
}

fn read_fields(fields: &Fields<'_, '_>, findings: &mut Findings) -> Result<TdxRule, Unread> {
    let floor = member(fields, FLOOR, read_floor, findings);
    let mut any = |key| digests(fields, key, findings);
    Ok(TdxRule {
        mr_td: any("mrtd"),
        rtmr: [any("rtmr0"), any("rtmr1"), any("rtmr2"), any("rtmr3")],
        mr_config_id: any("mrconfigid"),
        mr_owner: any("mrowner"),
        mr_owner_config: any("mrownerconfig"),
        mr_seam: any("mrseam"),
        mr_signer_seam: any("mrsignerseam"),
        floor: floor?,
    })
}

fn read_floor(node: &Node<'_>, findings: &mut Findings) -> Option<TdxFloor> {
    read_digest(node, FLOOR, findings).map(TdxFloor)
}

const FLOOR: &str = "tee_tcb_svn_min";

/// What tells one domain from others: registers hold what its software extends them with, the rest what its host
/// says at launch, and whoever launches a domain of his own can have the same of it.
const PINS: &[&str] = &["mrtd"];
/// Where claims of a token say what the domain is; the module is Intel's for all of them.
const PINS_BESIDE_CLAIMS: &[&str] = &[
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
        FLOOR,
    ],
    not_yet: &[],
    legacy: &[],
};
