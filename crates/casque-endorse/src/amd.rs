//! Documents of AMD's key distribution service (publication 57230, "Versioned Chip Endorsement Key (VCEK)
//! Certificate and KDS Interface Specification"), and of Azure's cache of it.
//!
//! | path | answer |
//! |---|---|
//! | `/vcek/v1/<product>/<chip>?blSPL=&teeSPL=&snpSPL=&ucodeSPL=` (Turin: `fmcSPL=` too) | DER certificate |
//! | `/vcek/v1/<product>/cert_chain`, `/vlek/v1/…` | PEM: intermediate, then root |
//! | `/vcek/v1/<product>/crl`, `/vlek/v1/…` | DER revocation list |
//! | Azure: `/SevSnpVM/certificates/<chip>/<tcb>?api-version=2020-10-15-preview` | PEM: VCEK, then its chain |
//!
//! The chip is 64 bytes, 8 on Turin, in lower-case hexadecimal digits; levels have two decimal digits at
//! least; Azure's `<tcb>` is the report's `REPORTED_TCB` as a number in hexadecimal digits. Seen in public
//! clients of these services, not tried against them here.

use casque_appraise::VcekId;
use casque_types::{SnpProduct, SnpTcb};

use crate::document::Document;
use crate::document_id::DocumentId;
use crate::failure::FetchError;
use crate::source::{Asker, Place};

/// Fetches `id`, whatever its dates.
pub(crate) async fn fetch(
    asker: &Asker<'_>,
    place: &Place,
    id: &DocumentId,
) -> Result<Document, FetchError> {
    let Some(url) = url_of(place, id) else {
        return Err(FetchError::NoSource {
            document: id.clone(),
        });
    };
    let answer = asker.get(&url).await;
    let answer = answer.map_err(|error| match id {
        DocumentId::AmdVcek { product, vcek } => error.of_platform(named(*product, vcek)),
        _ => error,
    })?;
    Document::from_bytes(id.clone(), &answer.body)
        .map_err(|error| FetchError::of_document(&url, error))
}

fn url_of(place: &Place, id: &DocumentId) -> Option<String> {
    Some(match (place, id) {
        (Place::Kds { base }, DocumentId::AmdVcek { product, vcek }) => {
            format!("{base}/vcek/v1/{product}/{}", vcek_query(vcek))
        }
        (Place::Kds { base }, DocumentId::AmdChain { product, signer }) => {
            format!("{base}/{}/v1/{product}/cert_chain", signer.as_str())
        }
        (Place::Kds { base }, DocumentId::AmdCrl { product, signer }) => {
            format!("{base}/{}/v1/{product}/crl", signer.as_str())
        }
        (Place::AzureVcek { base }, DocumentId::AmdVcek { product, vcek }) => {
            let chip = hex::encode(&vcek.chip_id);
            let tcb = tcb_number(*product, vcek.tcb);
            format!("{base}/SevSnpVM/certificates/{chip}/{tcb:x}?api-version={AZURE_API_VERSION}")
        }
        _ => return None,
    })
}

fn vcek_query(vcek: &VcekId) -> String {
    let SnpTcb {
        fmc,
        bootloader,
        tee,
        snp,
        microcode,
    } = vcek.tcb;
    let chip = hex::encode(&vcek.chip_id);
    let fmc = fmc
        .map(|fmc| format!("fmcSPL={fmc:02}&"))
        .unwrap_or_default();
    format!(
        "{chip}?{fmc}blSPL={bootloader:02}&teeSPL={tee:02}&snpSPL={snp:02}&ucodeSPL={microcode:02}"
    )
}

/// The bytes of `REPORTED_TCB`, which are least significant first.
fn tcb_number(product: SnpProduct, tcb: SnpTcb) -> u64 {
    let bytes = match product {
        SnpProduct::Milan | SnpProduct::Genoa => {
            [tcb.bootloader, tcb.tee, 0, 0, 0, 0, tcb.snp, tcb.microcode]
        }
        SnpProduct::Turin => {
            let fmc = tcb.fmc.unwrap_or(0);
            [
                fmc,
                tcb.bootloader,
                tcb.tee,
                tcb.snp,
                0,
                0,
                0,
                tcb.microcode,
            ]
        }
    };
    u64::from_le_bytes(bytes)
}

/// For people: the whole id would be too long.
fn named(product: SnpProduct, vcek: &VcekId) -> String {
    let begin = vcek.chip_id.get(..8).unwrap_or(&vcek.chip_id);
    format!(
        "the {product} processor {}… at level {}",
        hex::encode(begin),
        vcek.tcb
    )
}

const AZURE_API_VERSION: &str = "2020-10-15-preview";

#[cfg(test)]
mod tests {
    use casque_types::SnpSigner;

    use super::*;

    const TCB: SnpTcb = SnpTcb {
        fmc: None,
        bootloader: 4,
        tee: 0,
        snp: 24,
        microcode: 219,
    };

    fn kds() -> Place {
        Place::Kds {
            base: "https://kds.example".to_owned(),
        }
    }

    #[test]
    fn url_of_a_vcek_has_chip_and_levels() {
        let id = DocumentId::AmdVcek {
            product: SnpProduct::Milan,
            vcek: VcekId {
                chip_id: vec![0xab; 64],
                tcb: TCB,
            },
        };
        let chip = "ab".repeat(64);
        let expected = format!(
            "https://kds.example/vcek/v1/Milan/{chip}?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219"
        );
        assert_eq!(url_of(&kds(), &id), Some(expected));
    }

    #[test]
    fn url_of_a_vcek_on_turin_has_fmc_and_a_short_chip() {
        let tcb = SnpTcb {
            fmc: Some(1),
            ..TCB
        };
        let id = DocumentId::AmdVcek {
            product: SnpProduct::Turin,
            vcek: VcekId {
                chip_id: vec![0xcd; 8],
                tcb,
            },
        };
        let expected = "https://kds.example/vcek/v1/Turin/cdcdcdcdcdcdcdcd?fmcSPL=01&blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219";
        assert_eq!(url_of(&kds(), &id).as_deref(), Some(expected));
    }

    #[test]
    fn url_of_a_vcek_in_azures_cache_has_the_level_as_a_number() {
        let place = Place::AzureVcek {
            base: "https://cache.example".to_owned(),
        };
        let id = DocumentId::AmdVcek {
            product: SnpProduct::Genoa,
            vcek: VcekId {
                chip_id: vec![1; 64],
                tcb: TCB,
            },
        };
        let chip = "01".repeat(64);
        let expected = format!(
            "https://cache.example/SevSnpVM/certificates/{chip}/db18000000000004?api-version=2020-10-15-preview"
        );
        assert_eq!(url_of(&place, &id), Some(expected));
    }

    #[test]
    fn urls_of_chain_and_list_have_the_kind_of_key() {
        let (product, signer) = (SnpProduct::Genoa, SnpSigner::Vlek);
        let chain = url_of(&kds(), &DocumentId::AmdChain { product, signer });
        let list = url_of(&kds(), &DocumentId::AmdCrl { product, signer });
        assert_eq!(
            chain.as_deref(),
            Some("https://kds.example/vlek/v1/Genoa/cert_chain")
        );
        assert_eq!(
            list.as_deref(),
            Some("https://kds.example/vlek/v1/Genoa/crl")
        );
    }
}
