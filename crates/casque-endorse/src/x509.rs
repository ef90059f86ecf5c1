//! Dates of certificates and revocation lists (RFC 5280 sections 4.1.2.5, 5.1.2.4, 5.1.2.5). Nothing is
//! verified here.

use casque_types::Timestamp;
use der::pem::LineEnding;
use der::{DateTime, Decode as _};
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::name::Name;

use crate::document::{Malformed, Validity};

pub(crate) fn certificate_validity(der: &[u8]) -> Result<Validity, Malformed> {
    let certificate = Certificate::from_der(der).map_err(|_| Malformed("a certificate in DER"))?;
    let validity = certificate.tbs_certificate().validity();
    Ok(Validity {
        from: timestamp_of(validity.not_before.to_date_time()),
        until: timestamp_of(validity.not_after.to_date_time()),
        ends: "AMD's certificate".to_owned(),
    })
}

pub(crate) fn crl_validity(der: &[u8]) -> Result<Validity, Malformed> {
    let list = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(der)
        .map_err(|_| Malformed("a revocation list in DER"))?;
    let list = list.tbs_cert_list;
    let until = list
        .next_update
        .ok_or(Malformed("a revocation list with a next update"))?;
    Ok(Validity {
        from: timestamp_of(list.this_update.to_date_time()),
        until: timestamp_of(until.to_date_time()),
        ends: "AMD's revocation list".to_owned(),
    })
}

/// The subject's common name.
pub(crate) fn certificate_name(der: &[u8]) -> Result<String, Malformed> {
    let certificate = Certificate::from_der(der).map_err(|_| Malformed("a certificate in DER"))?;
    Ok(common_name(certificate.tbs_certificate().subject()))
}

/// The issuer's common name.
pub(crate) fn crl_name(der: &[u8]) -> Result<String, Malformed> {
    let list = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(der)
        .map_err(|_| Malformed("a revocation list in DER"))?;
    Ok(common_name(&list.tbs_cert_list.issuer))
}

/// The whole name where it has none.
fn common_name(name: &Name) -> String {
    let text = name.to_string();
    let parts = text.split(',').map(str::trim);
    let mut common = parts.filter_map(|part| part.strip_prefix("CN="));
    common.next().map(str::to_owned).unwrap_or(text.clone())
}

/// RFC 7468.
pub(crate) fn pem(der: &[u8]) -> String {
    // Fails for a label that is none, or for more bytes than there is memory.
    der::pem::encode_string("CERTIFICATE", LineEnding::LF, der).unwrap_or_default()
}

fn timestamp_of(time: DateTime) -> Timestamp {
    Timestamp::from_unix_s(time.unix_duration().as_secs())
}
