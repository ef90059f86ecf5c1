use super::*;

#[test]
fn microsofts_identifiers_are_read() {
    let [aci, aks] = MICROSOFT.map(|(did, _)| Did::parse(did).unwrap());
    assert_eq!(aci.fingerprint, aks.fingerprint);
    assert_eq!(aci.key_usage.to_string(), "1.3.6.1.4.1.311.76.59.1.2");
    assert_eq!(aks.key_usage.to_string(), "1.3.6.1.4.1.311.76.59.1.5");
}

#[test]
fn identifier_of_another_form_is_not_read() {
    let fingerprint = "I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s";
    for text in [
        String::new(),
        "did:web:example.org".to_owned(),
        format!("did:x509:0:sha256:{fingerprint}"),
        format!("did:x509:1:sha256:{fingerprint}::eku:1.2.3"),
        format!("did:x509:0:sha512:{fingerprint}::eku:1.2.3"),
        "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ::eku:1.2.3".to_owned(),
        format!("did:x509:0:sha256:{fingerprint}::subject:CN:a"),
        format!("did:x509:0:sha256:{fingerprint}::eku:1.2.3::eku:1.2.4"),
        format!("did:x509:0:sha256:{fingerprint}::eku:x"),
    ] {
        assert_eq!(Did::parse(&text), None, "{text}");
    }
}
