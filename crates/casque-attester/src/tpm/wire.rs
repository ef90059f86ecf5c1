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

    /// All that is left.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
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

/// One command. The session's authorisations are for its first handles.
pub(crate) fn command(code: u32, handles: &[u32], session: Session, parameters: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for handle in handles {
        body.extend(handle.to_be_bytes());
    }
    if session != Session::None {
        let area = session.authorisations();
        let size = u32::try_from(area.len()).unwrap_or(u32::MAX);
        body.extend(size.to_be_bytes());
        body.extend(area);
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
    /// By an empty password for the first handle.
    EmptyPassword,
    /// By empty passwords for the first two handles.
    TwoEmptyPasswords,
    /// By this policy session, without HMAC, for the first handle. It lives on after the command.
    Policy(u32),
}

impl Session {
    pub(crate) const fn tag(self) -> u16 {
        match self {
            Self::None => 0x8001,
            Self::EmptyPassword | Self::TwoEmptyPasswords | Self::Policy(_) => 0x8002,
        }
    }

    const fn count(self) -> usize {
        match self {
            Self::None => 0,
            Self::EmptyPassword | Self::Policy(_) => 1,
            Self::TwoEmptyPasswords => 2,
        }
    }

    /// For each: the session's handle, empty nonce, attributes, empty password or HMAC.
    fn authorisations(self) -> Vec<u8> {
        let (handle, attributes) = match self {
            Self::Policy(handle) => (handle, CONTINUE_SESSION),
            _ => (RS_PW, 0),
        };
        let one = [&handle.to_be_bytes()[..], &[0, 0, attributes, 0, 0]].concat();
        one.repeat(self.count())
    }

    /// The parameters of a successful answer without what the session adds; `None` when it has another form.
    pub(crate) fn parameters(self, body: &[u8]) -> Option<&[u8]> {
        if self == Self::None {
            return Some(body);
        }
        let mut reader = Reader::new(body);
        let size = usize::try_from(reader.u32()?).ok()?;
        let parameters = reader.take(size)?;
        for _ in 0..self.count() {
            let _nonce = reader.sized()?;
            let _attributes = reader.u8()?;
            let _acknowledgement = reader.sized()?;
        }
        reader.end()?;
        Some(parameters)
    }
}

/// Registers 0 to 23.
pub(crate) const ALL_REGISTERS: [u8; 3] = [0xFF; 3];
/// Registers 0 to 7: what the firmware measures.
pub(crate) const BOOT_REGISTERS: [u8; 3] = [0xFF, 0, 0];
pub(crate) const ALG_NULL: u16 = 0x0010;
pub(crate) const ALG_SHA256: u16 = 0x000B;
pub(crate) const ALG_RSASSA: u16 = 0x0014;
pub(crate) const HEADER_BYTES: usize = 10;
const RS_PW: u32 = 0x4000_0009;
/// `TPMA_SESSION`, bit 0.
const CONTINUE_SESSION: u8 = 1;
