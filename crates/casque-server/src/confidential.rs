//! Answers that hold secrets: written once, into a buffer of their size, and wiped when they were sent.
//!
//! What the TLS library and the kernel keep of them is beyond this.

use std::io;

use bytes::Bytes;
use casque_wire as wire;
use serde::Serialize;
use zeroize::{Zeroize as _, Zeroizing};

/// The JSON of a message. It is measured before it is written, so that the buffer never moves.
pub(crate) fn json<T: Serialize>(message: &T) -> Result<Bytes, serde_json::Error> {
    let mut size = Size(0);
    serde_json::to_writer(&mut size, message)?;
    let mut text = Zeroizing::new(Vec::with_capacity(size.0));
    serde_json::to_writer(&mut *text, message)?;
    Ok(Bytes::from_owner(text))
}

/// A message that is wiped when it is dropped.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct Wiped<T: Wipe>(pub(crate) T);

impl<T: Wipe> Drop for Wiped<T> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

/// Messages that hold secrets.
pub(crate) trait Wipe {
    /// Overwrites them.
    fn wipe(&mut self);
}

impl Wipe for wire::PolicyRead {
    fn wipe(&mut self) {
        self.session.zeroize();
    }
}

impl Wipe for wire::ExportAnswer {
    fn wipe(&mut self) {
        self.value.0.zeroize();
    }
}

/// Counts what is written.
struct Size(usize);

impl io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_fills_its_buffer_as_measured() {
        let read = wire::PolicyRead {
            session: "name: \"ä\"\n\u{1}".to_owned(),
            hash: "00".to_owned(),
        };
        let mut size = Size(0);
        serde_json::to_writer(&mut size, &read).unwrap();
        let text = json(&Wiped(read)).unwrap();
        assert_eq!(text.len(), size.0);
        assert_eq!(text, r#"{"session":"name: \"ä\"\n\u0001","hash":"00"}"#);
    }

    #[test]
    fn wiped_messages_are_empty() {
        let mut read = wire::PolicyRead {
            session: "secret".to_owned(),
            hash: String::new(),
        };
        read.wipe();
        assert_eq!(read.session, "");
        let mut exported = wire::ExportAnswer {
            value: wire::B64(vec![1]),
        };
        exported.wipe();
        assert_eq!(exported.value, wire::B64(Vec::new()));
    }
}
