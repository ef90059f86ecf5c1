//! Chains of certificates, from a leaf to the one that is trusted.

use casque_types::Timestamp;

use super::{Certificate, CertificateError, Window};

/// Verifies a chain: the leaf first, the trusted certificate last. That the last one is trusted, the caller
/// knows; its own signature is not looked at, its dates and its right to issue are.
///
/// Returns when the chain holds: from the latest beginning to the earliest end of its certificates.
///
/// # Errors
/// [`CertificateError`] for the first that does not hold, from the trusted one to the leaf; an empty chain is
/// [`CertificateError::Malformed`].
pub(crate) fn verify_chain(
    chain: &[&Certificate],
    now: Timestamp,
) -> Result<Window, CertificateError> {
    let Some((anchor, below)) = chain.split_last() else {
        return Err(CertificateError::Malformed {
            expected: "a chain of certificates",
        });
    };
    let mut issuer = *anchor;
    let mut window = expect_sound(issuer, now)?;
    for (authorities_below, certificate) in below.iter().enumerate().rev() {
        certificate.expect_issued_by(issuer)?;
        expect_path_length(issuer, authorities_below)?;
        window = window.narrowed(expect_sound(certificate, now)?);
        issuer = certificate;
    }
    Ok(window)
}

fn expect_sound(certificate: &Certificate, now: Timestamp) -> Result<Window, CertificateError> {
    certificate.expect_valid_at(now)?;
    certificate.expect_critical_extensions_known()?;
    Ok(Window {
        from: certificate.not_before(),
        until: certificate.not_after(),
    })
}

fn expect_path_length(
    issuer: &Certificate,
    authorities_below: usize,
) -> Result<(), CertificateError> {
    match issuer.path_length()? {
        Some(limit) if authorities_below > usize::from(limit) => {
            Err(CertificateError::PathTooLong {
                subject: issuer.subject(),
                limit,
            })
        }
        _ => Ok(()),
    }
}

/// Orders a chain from `leaf` over certificates of `pool` to `anchor` by names alone; verify it afterwards.
///
/// # Errors
/// [`CertificateError::NoPath`]: the pool lacks an issuer on the way.
pub(crate) fn chain_to<'a>(
    leaf: &'a Certificate,
    pool: &'a [Certificate],
    anchor: &'a Certificate,
) -> Result<Vec<&'a Certificate>, CertificateError> {
    let mut chain = vec![leaf];
    let mut last = leaf;
    // A certificate of the pool at most once each: a ring of names ends here.
    for _ in 0..=pool.len() {
        if last.issuer_name() == anchor.subject_name() {
            chain.push(anchor);
            return Ok(chain);
        }
        let mut candidates = pool.iter().filter(|one| !chain.contains(one));
        let Some(issuer) = candidates.find(|one| one.subject_name() == last.issuer_name()) else {
            break;
        };
        chain.push(issuer);
        last = issuer;
    }
    Err(CertificateError::NoPath {
        subject: last.subject(),
        issuer: last.issuer(),
    })
}
