//! NV indexes: small memories of a TPM, each with a size and rules of its own (TCG TPM 2.0 Library part 3, section 31).

use super::wire::{Reader, Session, command};
use super::{Asked, RH_OWNER, Tpm, TpmError};

/// What an NV index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NvPublic {
    attributes: u32,
    pub(crate) size_bytes: usize,
}

impl Tpm<'_> {
    /// The index, or `None` when it is not defined.
    pub(crate) fn nv_public(&mut self, index: u32) -> Result<Option<NvPublic>, TpmError> {
        let asked = Asked {
            name: "TPM2_NV_ReadPublic",
            object: nv_name(index),
            session: Session::None,
            bytes: command(NV_READ_PUBLIC, &[index], Session::None, &[]),
        };
        let answer = match self.execute(&asked) {
            Ok(answer) => answer,
            Err(TpmError::Refused { code, .. }) if code.is_absent() => return Ok(None),
            Err(error) => return Err(error),
        };
        let public = read_nv_public(&answer, index);
        let expected = "the public area of the NV index that was asked for";
        Ok(Some(public.ok_or_else(|| asked.malformed(expected))?))
    }

    /// The whole index, or `None` when it is not defined.
    pub(crate) fn nv_read(
        &mut self,
        index: u32,
        limit_bytes: usize,
    ) -> Result<Option<Vec<u8>>, TpmError> {
        let Some(public) = self.nv_public(index)? else {
            return Ok(None);
        };
        if public.size_bytes > limit_bytes {
            return Err(TpmError::TooLong {
                index,
                found_bytes: public.size_bytes,
                limit_bytes,
            });
        }
        let authority = match public.attributes & OWNER_READ {
            0 => index,
            _ => RH_OWNER,
        };
        let at_once = self.nv_buffer_bytes()?;
        let mut bytes = Vec::new();
        while let Some(left @ 1..) = public.size_bytes.checked_sub(bytes.len()) {
            let count = left.min(at_once);
            bytes.extend(self.nv_chunk(authority, index, count, bytes.len())?);
        }
        Ok(Some(bytes))
    }

    fn nv_chunk(
        &mut self,
        authority: u32,
        index: u32,
        count: usize,
        offset: usize,
    ) -> Result<Vec<u8>, TpmError> {
        let number = |number: usize| u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
        let session = Session::EmptyPassword;
        let parameters = [number(count), number(offset)].concat();
        let asked = Asked {
            name: "TPM2_NV_Read",
            object: nv_name(index),
            session,
            bytes: command(NV_READ, &[authority, index], session, &parameters),
        };
        let answer = self.execute(&asked)?;
        let mut reader = Reader::new(&answer);
        let read = reader.sized().filter(|read| read.len() == count);
        let read = read.filter(|_| reader.end().is_some());
        let expected = "as many bytes as were asked for";
        Ok(read.ok_or_else(|| asked.malformed(expected))?.to_vec())
    }

    /// How many bytes `TPM2_NV_Read` gives at once.
    fn nv_buffer_bytes(&mut self) -> Result<usize, TpmError> {
        let numbers = [CAP_TPM_PROPERTIES, PT_NV_BUFFER_MAX, 1];
        let parameters = numbers.map(u32::to_be_bytes).concat();
        let asked = Asked {
            name: "TPM2_GetCapability",
            object: "`TPM_PT_NV_BUFFER_MAX`".to_owned(),
            session: Session::None,
            bytes: command(GET_CAPABILITY, &[], Session::None, &parameters),
        };
        let answer = self.execute(&asked)?;
        let size = read_nv_buffer_bytes(&answer);
        let expected = "the property that was asked for, from 1 on";
        size.ok_or_else(|| asked.malformed(expected))
    }
}

fn nv_name(index: u32) -> String {
    format!("NV index `{index:#010x}`")
}

/// `TPM2B_NV_PUBLIC`, then the index's name.
pub(super) fn read_nv_public(answer: &[u8], index: u32) -> Option<NvPublic> {
    let mut reader = Reader::new(answer);
    let mut public = Reader::new(reader.sized()?);
    let _name = reader.sized()?;
    reader.end()?;
    public.expect_u32(index)?;
    let _name_algorithm = public.u16()?;
    let attributes = public.u32()?;
    let _policy = public.sized()?;
    let size_bytes = usize::from(public.u16()?);
    public.end()?;
    Some(NvPublic {
        attributes,
        size_bytes,
    })
}

/// `TPMI_YES_NO`, `TPMS_CAPABILITY_DATA` with one property.
pub(super) fn read_nv_buffer_bytes(answer: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(answer);
    let _has_more = reader.u8()?;
    for expected in [CAP_TPM_PROPERTIES, 1, PT_NV_BUFFER_MAX] {
        reader.expect_u32(expected)?;
    }
    let size = usize::try_from(reader.u32()?).ok()?;
    reader.end()?;
    (size > 0).then_some(size.min(MAX_CHUNK_BYTES))
}

const NV_READ: u32 = 0x14E;
const NV_READ_PUBLIC: u32 = 0x169;
const GET_CAPABILITY: u32 = 0x17A;
/// `TPMA_NV_OWNERREAD`.
const OWNER_READ: u32 = 1 << 17;
const CAP_TPM_PROPERTIES: u32 = 6;
const PT_NV_BUFFER_MAX: u32 = 0x12C;
/// So that an answer fits, whatever the TPM says of itself.
const MAX_CHUNK_BYTES: usize = 2048;
