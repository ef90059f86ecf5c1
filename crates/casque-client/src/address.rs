//! Where a server is: a host and a port.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use rustls_pki_types::ServerName;
use thiserror::Error;

/// A server's host name or IP address, and its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// Lower case; an IPv6 address without brackets.
    host: String,
    port: u16,
}

/// The port when an address names none: SCONE CAS's client API.
pub const DEFAULT_PORT: u16 = 8081;

impl ServerAddress {
    /// The host alone; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `https://host:port`, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{self}")
    }

    pub(crate) fn tls_name(&self) -> Option<ServerName<'static>> {
        ServerName::try_from(self.host.clone()).ok()
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for ServerAddress {
    type Err = AddressParseError;

    /// Reads `host`, `host:port`, an IPv4 or IPv6 address (with a port only in brackets), or an `https`
    /// URL without path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = match text.split_once("://") {
            Some(("https", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some((scheme, _)) => {
                return Err(AddressParseError::Scheme {
                    found: scheme.chars().take(20).collect(),
                });
            }
            None => text,
        };
        if text.contains(['/', '?', '#', '@', '\\']) {
            return Err(AddressParseError::Path);
        }
        let (host, port) = split_port(text)?;
        let address = Self {
            host: host.to_ascii_lowercase(),
            port,
        };
        match address.tls_name() {
            Some(_) => Ok(address),
            None => Err(AddressParseError::Host),
        }
    }
}

fn split_port(text: &str) -> Result<(&str, u16), AddressParseError> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, DEFAULT_PORT));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(AddressParseError::Host)?;
        if host.parse::<Ipv6Addr>().is_err() {
            return Err(AddressParseError::Host);
        }
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, parse_port(port)?)),
            None if rest.is_empty() => Ok((host, DEFAULT_PORT)),
            None => Err(AddressParseError::Port),
        };
    }
    match text.split_once(':') {
        Some((host, port)) => Ok((host, parse_port(port)?)),
        None => Ok((text, DEFAULT_PORT)),
    }
}

fn parse_port(text: &str) -> Result<u16, AddressParseError> {
    match text.parse() {
        Ok(port @ 1..) => Ok(port),
        _ => Err(AddressParseError::Port),
    }
}

/// Why a text is no address of a server.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum AddressParseError {
    /// Another scheme than `https`.
    #[error("expected `host`, `host:port` or `https://host:port`, found the scheme `{found}`")]
    Scheme {
        /// The scheme found.
        found: String,
    },
    /// A path, query, fragment or user name.
    #[error("expected no path, query, fragment or user name beside the host")]
    Path,
    /// Neither a host name nor an IP address.
    #[error("expected a host name or an IP address, such as `cas.example.org` or `[::1]:8081`")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("expected a port from 1 to 65535 after the `:`")]
    Port,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, AddressParseError> {
        text.parse()
            .map(|address: ServerAddress| address.to_string())
    }

    #[test]
    fn address_of_each_form_is_read() {
        assert_eq!(
            shown("CAS.example.org"),
            Ok("cas.example.org:8081".to_owned())
        );
        assert_eq!(shown("localhost:9000"), Ok("localhost:9000".to_owned()));
        assert_eq!(shown("https://cas:8443/"), Ok("cas:8443".to_owned()));
        assert_eq!(shown("10.0.0.1"), Ok("10.0.0.1:8081".to_owned()));
        assert_eq!(shown("::1"), Ok("[::1]:8081".to_owned()));
        assert_eq!(shown("[::1]:9"), Ok("[::1]:9".to_owned()));
    }

    #[test]
    fn address_traps_are_refused_by_name() {
        let scheme = AddressParseError::Scheme {
            found: "http".to_owned(),
        };
        assert_eq!(shown("http://cas"), Err(scheme));
        assert_eq!(shown("https://cas/session"), Err(AddressParseError::Path));
        assert_eq!(shown("user@cas"), Err(AddressParseError::Path));
        assert_eq!(shown(""), Err(AddressParseError::Host));
        assert_eq!(shown("a b"), Err(AddressParseError::Host));
        assert_eq!(shown("[cas]:1"), Err(AddressParseError::Host));
        assert_eq!(shown("[::1]x"), Err(AddressParseError::Port));
        assert_eq!(shown("cas:0"), Err(AddressParseError::Port));
        assert_eq!(shown("cas:70000"), Err(AddressParseError::Port));
    }
}
