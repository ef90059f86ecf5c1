//! Where another CAS is: `host`, `host:port` or `https://host:port/`.
//!
//! Stricter than a URL: what a URL library would turn into another host (numbers in other notations than
//! dotted decimal, escapes, letters outside ASCII) is refused, so that the host connected to is the one that
//! the policy shows.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use rustls_pki_types::ServerName;
use thiserror::Error;
use url::{Host, Url};

/// A CAS's host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteAddress {
    /// Names in lower case.
    host: Host,
    port: u16,
}

/// Why a text is no address of a CAS. None shows the text, which may hold what it should not.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RemoteAddressError {
    /// More bytes than any address has.
    #[error("expected at most {MAX_ADDRESS_BYTES} bytes, found {found}")]
    TooLong {
        /// How many it has.
        found: usize,
    },
    /// Another scheme than `https`.
    #[error("expected the scheme `https` or none, found another one")]
    Scheme,
    /// A path, query, fragment or user name.
    #[error("expected no path, query, fragment or user name beside the host, found one")]
    Beside,
    /// Neither a host name nor an IP address.
    #[error(
        "expected a host name or an IP address, such as `cas.example.org` or `[::1]:8081`, found something else"
    )]
    Host,
    /// Not a number from 1 to 65535.
    #[error("expected a port from 1 to 65535 after the `:`, found something else")]
    Port,
}

impl RemoteAddress {
    /// The URL of a route, given as its absolute path; `None` if a URL would read the host as another one.
    pub(crate) fn url(&self, path: &str) -> Option<Url> {
        let url = Url::parse(&format!("https://{self}{path}")).ok()?;
        let read = url.host().map(|host| host.to_owned());
        let is_same =
            read.as_ref() == Some(&self.host) && url.port_or_known_default() == Some(self.port);
        is_same.then_some(url)
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for RemoteAddress {
    type Err = RemoteAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_ADDRESS_BYTES {
            return Err(RemoteAddressError::TooLong { found: text.len() });
        }
        let text = match text.split_once("://") {
            Some(("https", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some(_) => return Err(RemoteAddressError::Scheme),
            None => text,
        };
        if text.contains(['/', '?', '#', '@', '\\']) {
            return Err(RemoteAddressError::Beside);
        }
        let (host, port) = split_port(text)?;
        let address = Self { host, port };
        address
            .url("/")
            .map(|_| address)
            .ok_or(RemoteAddressError::Host)
    }
}

fn split_port(text: &str) -> Result<(Host, u16), RemoteAddressError> {
    if let Ok(bare) = text.parse::<Ipv6Addr>() {
        return Ok((Host::Ipv6(bare), DEFAULT_PORT));
    }
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']').ok_or(RemoteAddressError::Host)?;
            let host = host.parse().map_err(|_| RemoteAddressError::Host)?;
            (Host::Ipv6(host), rest)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let (host, rest) = text.split_at_checked(end).ok_or(RemoteAddressError::Host)?;
            (parse_host(host)?, rest)
        }
    };
    if rest.is_empty() {
        return Ok((host, DEFAULT_PORT));
    }
    let port = rest.strip_prefix(':').and_then(parse_port);
    Ok((host, port.ok_or(RemoteAddressError::Port)?))
}

fn parse_host(text: &str) -> Result<Host, RemoteAddressError> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ipv4(address));
    }
    let name = text.to_ascii_lowercase();
    // TLS wants to name it, whatever URLs allow.
    let is_name = name.split('.').all(is_label) && ServerName::try_from(name.as_str()).is_ok();
    if is_name {
        Ok(Host::Domain(name))
    } else {
        Err(RemoteAddressError::Host)
    }
}

/// Letters, digits, `-` inside, and `_`, which some networks' names have.
fn is_label(label: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=63).contains(&label.len())
        && label.chars().all(is_allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn parse_port(text: &str) -> Option<u16> {
    let is_plain = text.chars().all(|c| c.is_ascii_digit()) && !text.starts_with('0');
    is_plain.then(|| text.parse().ok()).flatten()
}

/// The port when an address names none: that of `casqued`.
const DEFAULT_PORT: u16 = 8081;
/// `https://`, a name of 253 bytes, a port and a slash, and some room.
const MAX_ADDRESS_BYTES: usize = 300;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Result<String, RemoteAddressError> {
        text.parse()
            .map(|address: RemoteAddress| address.to_string())
    }

    #[test]
    fn address_of_each_form_is_read() {
        let cases = [
            ("CAS.example.org", "cas.example.org:8081"),
            ("localhost:9000", "localhost:9000"),
            ("my_cas", "my_cas:8081"),
            ("https://cas:8443/", "cas:8443"),
            ("https://cas:443", "cas:443"),
            ("10.0.0.1", "10.0.0.1:8081"),
            ("::1", "[::1]:8081"),
            ("[::1]:9", "[::1]:9"),
            ("https://[2001:DB8::1]/", "[2001:db8::1]:8081"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example:8081"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn address_traps_are_refused_by_name() {
        let cases = [
            ("http://cas", RemoteAddressError::Scheme),
            ("HTTPS://cas", RemoteAddressError::Scheme),
            ("https://cas/session", RemoteAddressError::Beside),
            ("https://cas//", RemoteAddressError::Beside),
            ("cas/", RemoteAddressError::Beside),
            ("user:pass@cas", RemoteAddressError::Beside),
            ("cas?x", RemoteAddressError::Beside),
            ("", RemoteAddressError::Host),
            ("https://", RemoteAddressError::Host),
            ("a b", RemoteAddressError::Host),
            (" cas", RemoteAddressError::Host),
            ("cas.", RemoteAddressError::Host),
            ("-cas", RemoteAddressError::Host),
            ("c%61s", RemoteAddressError::Host),
            ("bücher.example", RemoteAddressError::Host),
            ("127.1", RemoteAddressError::Host),
            ("0x7f000001", RemoteAddressError::Host),
            ("2130706433", RemoteAddressError::Host),
            ("127.0.0.01", RemoteAddressError::Host),
            ("[cas]:1", RemoteAddressError::Host),
            ("[fe80::1%eth0]:1", RemoteAddressError::Host),
            ("[::1", RemoteAddressError::Host),
            ("[::1]x", RemoteAddressError::Port),
            ("cas:", RemoteAddressError::Port),
            ("cas:0", RemoteAddressError::Port),
            ("cas:+80", RemoteAddressError::Port),
            ("cas:080", RemoteAddressError::Port),
            ("cas:70000", RemoteAddressError::Port),
            ("cas:1:2", RemoteAddressError::Port),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), Err(expected), "{text}");
        }
        let long = format!("{}.example", "a".repeat(300));
        assert_eq!(
            shown(&long),
            Err(RemoteAddressError::TooLong { found: 308 })
        );
    }

    proptest! {
        #[test]
        fn address_read_is_printed_and_read_back(text in "(https://)?[a-z0-9.:\\[\\]_-]{1,24}/?") {
            if let Ok(address) = text.parse::<RemoteAddress>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
