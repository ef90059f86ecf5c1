//! The SGX extension of a PCK certificate (OID 1.2.840.113741.1.13.1).
//!
//! ```text
//! SEQUENCE OF SEQUENCE { OID, value }
//!   .1 PPID OCTET STRING (16)       .2 TCB: SEQUENCE of .2.1 to .2.16 components INTEGER,
//!   .3 PCEID OCTET STRING (2)          .2.17 PCESVN INTEGER, .2.18 CPUSVN OCTET STRING (16)
//!   .4 FMSPC OCTET STRING (6)       .5 SGX type ENUMERATED (0 standard, 1 scalable)
//!   under the Platform CA also: .6 platform instance id OCTET STRING (16),
//!   .7 configuration: SEQUENCE of .7.1 dynamic platform, .7.2 cached keys, .7.3 SMT enabled BOOLEAN
//! ```
//! Source: Intel SGX PCK Certificate and CRL Specification, section 1.3.5.

use casque_appraise::PckAuthority;
use casque_types::sha256;
use der::asn1::{Any, ObjectIdentifier, OctetStringRef};
use der::{Encode, Enumerated, Sequence};

use super::SgxPlatform;

/// Its OID, as rcgen takes it.
pub(super) const OID: &[u64] = &[1, 2, 840, 113_741, 1, 13, 1];

#[derive(Sequence)]
struct Item {
    id: ObjectIdentifier,
    value: Any,
}

#[derive(Clone, Copy, PartialEq, Eq, Enumerated)]
#[repr(u8)]
enum SgxType {
    Standard = 0,
    Scalable = 1,
}

/// The extension's value, DER; `seed` makes the ids of the platform differ from another's.
pub(super) fn encode(platform: &SgxPlatform, seed: &[u8]) -> Result<Vec<u8>, der::Error> {
    let digest = sha256(seed);
    let (ppid, instance) = digest.as_bytes().split_at(16);
    let mut items = vec![
        item(BASE, 1, &OctetStringRef::new(ppid)?)?,
        item(BASE, 2, &tcb(platform)?)?,
        item(BASE, 3, &OctetStringRef::new(&PCE_ID)?)?,
        item(BASE, 4, &OctetStringRef::new(&platform.fmspc)?)?,
    ];
    match platform.authority {
        PckAuthority::Processor => items.push(item(BASE, 5, &SgxType::Standard)?),
        PckAuthority::Platform => {
            items.push(item(BASE, 5, &SgxType::Scalable)?);
            items.push(item(BASE, 6, &OctetStringRef::new(instance)?)?);
            items.push(item(BASE, 7, &configuration()?)?);
        }
    }
    items.to_der()
}

fn tcb(platform: &SgxPlatform) -> Result<Vec<Item>, der::Error> {
    let base = BASE.push_arc(2)?;
    let mut items = (1_u32..)
        .zip(platform.cpu_svn)
        .map(|(component, svn)| item(base, component, &svn))
        .collect::<Result<Vec<_>, _>>()?;
    items.push(item(base, 17, &platform.pce_svn)?);
    items.push(item(base, 18, &OctetStringRef::new(&platform.cpu_svn)?)?);
    Ok(items)
}

fn configuration() -> Result<Vec<Item>, der::Error> {
    let base = BASE.push_arc(7)?;
    let flags = [(1, false), (2, true), (3, true)];
    (flags.into_iter())
        .map(|(flag, value)| item(base, flag, &value))
        .collect()
}

fn item(base: ObjectIdentifier, last_arc: u32, value: &impl Encode) -> Result<Item, der::Error> {
    Ok(Item {
        id: base.push_arc(last_arc)?,
        value: der::Decode::from_der(&value.to_der()?)?,
    })
}

const BASE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1");
/// Intel's provisioning certification enclave.
pub(super) const PCE_ID: [u8; 2] = [0, 0];
