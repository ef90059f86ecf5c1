//! How a TPM is reached, in the words of tpm2-tss ("TCTI"): `device:/dev/tpmrm0`, or
//! `swtpm:host=127.0.0.1,port=2321` for the emulator.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;
use zeroize::Zeroizing;

use super::wire::{HEADER_BYTES, Reader};

/// How a TPM is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tcti {
    /// A character device of the kernel; `/dev/tpmrm0` lets many programs use the TPM side by side.
    Device(PathBuf),
    /// The socket of swtpm (`--server type=tcp`), which carries commands as they are.
    Swtpm {
        /// Host name or address.
        host: String,
        /// Port of the server, not of its control channel.
        port: u16,
    },
}

/// What is wrong with the text of a [`Tcti`].
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("expected `device:PATH` or `swtpm:host=HOST,port=PORT`, found `{found}`")]
pub struct TctiParseError {
    /// The text.
    found: String,
}

impl Default for Tcti {
    /// `device:/dev/tpmrm0`.
    fn default() -> Self {
        Self::Device(PathBuf::from(DEVICE))
    }
}

impl fmt::Display for Tcti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(path) => write!(f, "device:{}", path.display()),
            Self::Swtpm { host, port } => write!(f, "swtpm:host={host},port={port}"),
        }
    }
}

impl FromStr for Tcti {
    type Err = TctiParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = || TctiParseError {
            found: text.to_owned(),
        };
        match text.split_once(':').unwrap_or((text, "")) {
            ("device", "") => Ok(Self::default()),
            ("device", path) => Ok(Self::Device(PathBuf::from(path))),
            ("swtpm", settings) => swtpm(settings).ok_or_else(found),
            _ => Err(found()),
        }
    }
}

/// As tpm2-tss: what is left out is `localhost` and 2321.
fn swtpm(settings: &str) -> Option<Tcti> {
    let (mut host, mut port) = ("localhost", 2321);
    for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
        match setting.split_once('=')? {
            ("host", value) if !value.is_empty() => host = value,
            ("port", value) => port = value.parse().ok()?,
            _ => return None,
        }
    }
    let host = host.to_owned();
    Some(Tcti::Swtpm { host, port })
}

/// A connection to a TPM: a device, or a socket.
pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Tcti {
    pub(crate) fn open(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Device(path) => {
                let device = OpenOptions::new().read(true).write(true).open(path)?;
                Ok(Box::new(device))
            }
            Self::Swtpm { host, port } => Ok(Box::new(connect(host, *port)?)),
        }
    }
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(EXCHANGE))?;
                stream.set_write_timeout(Some(EXCHANGE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// One command, one answer of the length that it states, at most [`MAX_ANSWER_BYTES`].
///
/// A device wants the command in one write, and older kernels give the answer to one read alone. Answers may hold
/// secrets, and are wiped.
pub(crate) fn exchange(stream: &mut dyn Stream, command: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    stream.write_all(command)?;
    stream.flush()?;
    // It never grows: fewer bytes than the largest answer, and one read behind them.
    let mut answer = Zeroizing::new(Vec::with_capacity(MAX_ANSWER_BYTES.saturating_mul(2)));
    let mut buffer = Zeroizing::new([0_u8; MAX_ANSWER_BYTES]);
    loop {
        let count = match stream.read(&mut *buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        answer.extend(buffer.iter().take(count));
        let stated = stated_size(&answer);
        if stated.is_some_and(|size| size == answer.len()) {
            return Ok(answer);
        }
        let limit = stated.unwrap_or(HEADER_BYTES);
        if answer.len() > limit || limit > MAX_ANSWER_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// The answer's length in its header; `None` while the header is not whole.
fn stated_size(answer: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(answer.get(..HEADER_BYTES)?);
    let _tag = reader.u16()?;
    usize::try_from(reader.u32()?).ok()
}

const DEVICE: &str = "/dev/tpmrm0";
const CONNECT: Duration = Duration::from_secs(5);
const EXCHANGE: Duration = Duration::from_secs(30);
/// `TPM_BUFFER_SIZE` of Linux.
const MAX_ANSWER_BYTES: usize = 4096;

#[cfg(test)]
mod tests;
