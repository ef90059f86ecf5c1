//! The TPM's encoding: big-endian numbers, and buffers with a length of 16 bits before them
//! (TCG TPM 2.0 Library part 2, "TPM2B"; part 1, "Command/Response structure").

/// Takes a message apart. Each step is `None` when bytes are missing.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// A buffer with its length before it.
    pub(crate) fn sized(&mut self) -> Option<&'a [u8]> {
        let size = self.u16()?;
        self.take(usize::from(size))
    }

    /// The number that must stand here.
    pub(crate) fn expect_u16(&mut self, expected: u16) -> Option<()> {
        (self.u16()? == expected).then_some(())
    }

    /// The number that must stand here.
    pub(crate) fn expect_u32(&mut self, expected: u32) -> Option<()> {
        (self.u32()? == expected).then_some(())
    }

    /// That nothing is left.
    pub(crate) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// A selection of registers of the SHA-256 bank, bit n of the mask for register n: `TPML_PCR_SELECTION` of
/// one bank and three bytes.
pub(crate) fn selection(mask: [u8; 3]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(1_u32.to_be_bytes());
    bytes.extend(ALG_SHA256.to_be_bytes());
    bytes.push(3);
    bytes.extend(mask);
    bytes
}

/// The mask of a selection of that form; `None` for any other.
pub(crate) fn read_selection(reader: &mut Reader<'_>) -> Option<[u8; 3]> {
    reader.expect_u32(1)?;
    reader.expect_u16(ALG_SHA256)?;
    (reader.u8()? == 3).then_some(())?;
    reader.array()
}

/// A buffer of at most 65,535 bytes with its length before it.
pub(crate) fn sized(bytes: &[u8]) -> Option<Vec<u8>> {
    let size = u16::try_from(bytes.len()).ok()?;
    Some([&size.to_be_bytes()[..], bytes].concat())
}

/// One command. With [`Session::EmptyPassword`] the first handle is authorised by an empty password.
pub(crate) fn command(code: u32, handles: &[u32], session: Session, parameters: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for handle in handles {
        body.extend(handle.to_be_bytes());
    }
    if session == Session::EmptyPassword {
        // Size of the area, TPM_RS_PW, empty nonce, no attributes, empty password.
        body.extend(9_u32.to_be_bytes());
        body.extend(RS_PW.to_be_bytes());
        body.extend([0; 5]);
    }
    body.extend(parameters);
    let size = u32::try_from(body.len().saturating_add(HEADER_BYTES)).unwrap_or(u32::MAX);
    let mut bytes = Vec::from(session.tag().to_be_bytes());
    bytes.extend(size.to_be_bytes());
    bytes.extend(code.to_be_bytes());
    bytes.extend(body);
    bytes
}

/// How a command is authorised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// Not at all.
    None,
    /// By an empty password.
    EmptyPassword,
}

impl Session {
    pub(crate) const fn tag(self) -> u16 {
        match self {
            Self::None => 0x8001,
            Self::EmptyPassword => 0x8002,
        }
    }

    /// The parameters of a successful answer without what the session adds; `None` when it has another form.
    pub(crate) fn parameters(self, body: &[u8]) -> Option<&[u8]> {
        if self == Self::None {
            return Some(body);
        }
        let mut reader = Reader::new(body);
        let size = usize::try_from(reader.u32()?).ok()?;
        let parameters = reader.take(size)?;
        let _nonce = reader.sized()?;
        let _attributes = reader.u8()?;
        let _acknowledgement = reader.sized()?;
        reader.end()?;
        Some(parameters)
    }
}

pub(crate) const ALG_NULL: u16 = 0x0010;
pub(crate) const ALG_SHA256: u16 = 0x000B;
pub(crate) const ALG_RSASSA: u16 = 0x0014;
pub(crate) const HEADER_BYTES: usize = 10;
const RS_PW: u32 = 0x4000_0009;
