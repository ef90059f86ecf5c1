//! PEM text (RFC 7468): blocks in, blocks out.
//!
//! Reading is lax as section 2 of the RFC allows: text around blocks is skipped and lines may have any
//! length, as in what OpenSSL and Key Vault write. A block itself must be whole: its label repeated at its
//! end, its base64 canonical, without headers. Writing follows the strict form with line feeds.

use casque_types::Secret;
use data_encoding::BASE64;
use zeroize::Zeroizing;

/// One block.
pub(crate) struct PemBlock<'a> {
    /// Its label, such as `CERTIFICATE`.
    pub(crate) label: &'a str,
    /// What it encloses.
    pub(crate) der: Secret,
}

/// A block is not whole, or there are too many.
pub(crate) struct DamagedPem;

/// Every block in `text`, in order.
pub(crate) fn read_pem(text: &str) -> Result<Vec<PemBlock<'_>>, DamagedPem> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = label_of(line, BEGIN) else {
            continue;
        };
        if blocks.len() >= MAX_BLOCKS {
            return Err(DamagedPem);
        }
        let body = read_body(label, &mut lines, text.len())?;
        blocks.push(PemBlock {
            label,
            der: decode(&body)?,
        });
    }
    Ok(blocks)
}

/// Whether a line of `text` begins a certificate.
pub(crate) fn has_certificate(text: &str) -> bool {
    text.lines()
        .any(|line| label_of(line.trim_end(), BEGIN) == Some(CERTIFICATE))
}

/// Appends a block; `out` must have room for [`pem_bytes`] more.
pub(crate) fn write_pem(out: &mut Zeroizing<String>, label: &str, der: &[u8]) {
    write_framed(out, label, ("", ""), der);
}

/// Appends a block with text before and after its base64; `out` must have room for both beside the block.
pub(crate) fn write_framed(
    out: &mut Zeroizing<String>,
    label: &str,
    (before, after): (&str, &str),
    bytes: &[u8],
) {
    for part in [BEGIN, label, DASHES, "\n", before] {
        out.push_str(part);
    }
    for line in bytes.chunks(LINE_BYTES) {
        BASE64.encode_append(line, out);
        out.push('\n');
    }
    for part in [after, END, label, DASHES, "\n"] {
        out.push_str(part);
    }
}

/// How many characters a block takes at most.
pub(crate) fn pem_bytes(label: &str, der_bytes: usize) -> usize {
    let lines = der_bytes.div_ceil(LINE_BYTES);
    let around = label.len().saturating_add(32).saturating_mul(2);
    lines.saturating_mul(65).saturating_add(around)
}

fn read_body<'a>(
    label: &str,
    lines: &mut impl Iterator<Item = &'a str>,
    at_most: usize,
) -> Result<Zeroizing<String>, DamagedPem> {
    let mut body = Zeroizing::new(String::with_capacity(at_most));
    for line in lines {
        if let Some(end) = label_of(line, END) {
            return if end == label {
                Ok(body)
            } else {
                Err(DamagedPem)
            };
        }
        body.push_str(line);
    }
    Err(DamagedPem)
}

fn decode(body: &str) -> Result<Secret, DamagedPem> {
    let length = BASE64.decode_len(body.len()).map_err(|_| DamagedPem)?;
    let mut der = Zeroizing::new(vec![0_u8; length]);
    let written = BASE64
        .decode_mut(body.as_bytes(), &mut der)
        .map_err(|_| DamagedPem)?;
    der.truncate(written);
    Ok(Secret::from(der))
}

fn label_of<'a>(line: &'a str, begin_or_end: &str) -> Option<&'a str> {
    let label = line.strip_prefix(begin_or_end)?.strip_suffix(DASHES)?;
    // A whole PEM text in one line ends in dashes too.
    (!label.contains('-')).then_some(label)
}

/// The label of certificates.
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";
/// The label of PKCS#8 private keys.
pub(crate) const PRIVATE_KEY: &str = "PRIVATE KEY";
/// The label of public keys, `SubjectPublicKeyInfo`.
pub(crate) const PUBLIC_KEY: &str = "PUBLIC KEY";

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
const LINE_BYTES: usize = 48;
const MAX_BLOCKS: usize = 64;
