//! `snp`: a guest of AMD SEV-SNP; and `tcb`, the floors of its platform.

use casque_types::SnpProduct;

use super::{Beside, Unread, digests, member, nothing_pinned};
use crate::codes;
use crate::fields::{Fields, Keys};
use crate::findings::Findings;
use crate::yaml::Node;
use crate::{Diagnostic, MigrationRule, SmtRule, SnpFloor, SnpFloors, SnpRule};

/// Reads an entry that must tell its guest from others.
pub(super) fn read(node: &Node<'_>, beside: Beside, findings: &mut Findings) -> Option<SnpRule> {
    let fields = Fields::open(node, &KEYS, findings)?;
    let (pins, needed): (&[&str], _) = match beside {
        Beside::Nothing => (PINS, "`measurement` or `id_key_digest`"),
        Beside::Claims => (
            PINS_BESIDE_CLAIMS,
            "`measurement`, `id_key_digest` or `host_data`",
        ),
    };
    if !pins.iter().any(|key| fields.value(key).is_some()) {
        findings.push(nothing_pinned(node, "`snp`", needed));
    }
    read_fields(&fields, findings).ok()
}

/// Reads one that need not, below a paravisor.
pub(super) fn read_below_paravisor(node: &Node<'_>, findings: &mut Findings) -> Option<SnpRule> {
    let fields = Fields::open(node, &KEYS, findings)?;
    read_fields(&fields, findings).ok()
}

fn read_fields(fields: &Fields<'_, '_>, findings: &mut Findings) -> Result<SnpRule, Unread> {
    let migration = read_migration(fields, findings);
    Ok(SnpRule {
        measurements: digests(fields, "measurement", findings),
        host_data: digests(fields, "host_data", findings),
        id_key_digests: digests(fields, "id_key_digest", findings),
        author_key_digests: digests(fields, "author_key_digest", findings),
        family_ids: digests(fields, "family_id", findings),
        image_ids: digests(fields, "image_id", findings),
        least_guest_svn: number(fields, "guest_svn_min", u32::MAX, findings)?,
        vmpl: number(fields, "vmpl", 3, findings)?,
        migration,
        smt: read_smt(fields, findings)?,
        tcb: read_floors(fields, "`snp`", findings)?,
    })
}

fn read_migration(fields: &Fields<'_, '_>, findings: &mut Findings) -> MigrationRule {
    const KEY: &str = "dangerous_allow_migration";
    if !fields.flag(KEY, findings) {
        return MigrationRule::Forbidden;
    }
    let position = fields.entry(KEY).map_or(fields.position, |e| e.position);
    let message = "`dangerous_allow_migration`: a guest is accepted whose memory a migration agent may export, and nothing says which agent the host has for it";
    let found = Diagnostic::warning(codes::DANGEROUS_ALLOW_MIGRATION, position, message);
    findings.push(found.hint("remove it, and launch the guest with bit 18 of its policy clear"));
    MigrationRule::DangerousAllowed
}

/// 0 where there is none.
fn number(
    fields: &Fields<'_, '_>,
    key: &str,
    greatest: u32,
    findings: &mut Findings,
) -> Result<u32, Unread> {
    if fields.value(key).is_none() {
        return Ok(0);
    }
    let number = fields.number(key, 0, u64::from(greatest), findings);
    u32::try_from(number.ok_or(Unread)?).map_err(|_| Unread)
}

fn read_smt(fields: &Fields<'_, '_>, findings: &mut Findings) -> Result<SmtRule, Unread> {
    if fields.value("smt").is_none() {
        return Ok(SmtRule::Allowed);
    }
    let words = [
        ("forbidden", SmtRule::Forbidden),
        ("allowed", SmtRule::Allowed),
    ];
    fields.word("smt", &words, findings).ok_or(Unread)
}

/// Reads `tcb` of an entry for AMD's platforms; warns where there is none.
pub(super) fn read_floors(
    fields: &Fields<'_, '_>,
    place: &str,
    findings: &mut Findings,
) -> Result<Option<SnpFloors>, Unread> {
    if fields.value("tcb").is_none() {
        let message = format!("{place} has no `tcb`: firmware of any age is accepted");
        let found = Diagnostic::warning(codes::NO_TCB_FLOOR, fields.position, message);
        findings.push(found.hint("AMD states no status: say the least version of each component"));
    }
    member(fields, "tcb", read_generations, findings)
}

fn read_generations(node: &Node<'_>, findings: &mut Findings) -> Option<SnpFloors> {
    let fields = Fields::open(node, &FLOORS_KEYS, findings)?;
    let mut floors = SnpFloors::default();
    let mut are_read = true;
    for (key, product) in GENERATIONS {
        let Some(node) = fields.value(key) else {
            continue;
        };
        match read_floor(node, *product, findings) {
            Some(floor) => drop(floors.0.insert(*product, floor)),
            None => are_read = false,
        }
    }
    if !GENERATIONS
        .iter()
        .any(|(key, _)| fields.value(key).is_some())
    {
        findings.push(
            fields
                .missing("milan", "`tcb`")
                .hint("or `genoa`, or `turin`"),
        );
        return None;
    }
    are_read.then_some(floors)
}

fn read_floor(node: &Node<'_>, product: SnpProduct, findings: &mut Findings) -> Option<SnpFloor> {
    let keys = match product {
        SnpProduct::Turin => &TURIN_FLOOR_KEYS,
        SnpProduct::Milan | SnpProduct::Genoa => &FLOOR_KEYS,
    };
    let fields = Fields::open(node, keys, findings)?;
    if !keys.read.iter().any(|key| fields.value(key).is_some()) {
        findings.push(
            fields
                .missing("snp", keys.place)
                .hint("or another component"),
        );
        return None;
    }
    let mut component = |key: &str| {
        let version = number(&fields, key, u32::from(u8::MAX), findings);
        version.and_then(|version| u8::try_from(version).map_err(|_| Unread))
    };
    let fmc = component("fmc");
    let (bootloader, tee) = (component("bootloader"), component("tee"));
    let (snp, microcode) = (component("snp"), component("microcode"));
    Some(SnpFloor {
        fmc: fmc.ok()?,
        bootloader: bootloader.ok()?,
        tee: tee.ok()?,
        snp: snp.ok()?,
        microcode: microcode.ok()?,
    })
}

const GENERATIONS: &[(&str, SnpProduct)] = &[
    ("milan", SnpProduct::Milan),
    ("genoa", SnpProduct::Genoa),
    ("turin", SnpProduct::Turin),
];

/// What tells one guest from others. What the host says at launch does not: whoever has a host says the same of a
/// guest of his own.
const PINS: &[&str] = &["measurement", "id_key_digest"];
/// Where claims of a token say what the guest is.
const PINS_BESIDE_CLAIMS: &[&str] = &["measurement", "id_key_digest", "host_data"];

pub(in crate::parse) const KEYS: Keys = Keys {
    place: "`snp`",
    read: &[
        "measurement",
        "host_data",
        "id_key_digest",
        "author_key_digest",
        "family_id",
        "image_id",
        "guest_svn_min",
        "vmpl",
        "dangerous_allow_migration",
        "smt",
        "tcb",
    ],
    not_yet: &[],
    legacy: &[],
};

pub(in crate::parse) const FLOORS_KEYS: Keys = Keys {
    place: "`tcb`",
    read: &["milan", "genoa", "turin"],
    not_yet: &[],
    legacy: &[],
};

pub(in crate::parse) const FLOOR_KEYS: Keys = Keys {
    place: "a generation of `tcb`",
    read: &["bootloader", "tee", "snp", "microcode"],
    not_yet: &[],
    legacy: &[],
};

pub(in crate::parse) const TURIN_FLOOR_KEYS: Keys = Keys {
    place: "a generation of `tcb`",
    read: &["fmc", "bootloader", "tee", "snp", "microcode"],
    not_yet: &[],
    legacy: &[],
};
