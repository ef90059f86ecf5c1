use super::*;

#[test]
fn tcti_is_read_and_written_in_the_words_of_tpm2_tss() {
    for (text, shown) in [
        ("device:/dev/tpm0", "device:/dev/tpm0"),
        ("device", "device:/dev/tpmrm0"),
        ("device:", "device:/dev/tpmrm0"),
        ("swtpm", "swtpm:host=localhost,port=2321"),
        ("swtpm:port=77", "swtpm:host=localhost,port=77"),
        ("swtpm:host=::1,port=2", "swtpm:host=::1,port=2"),
    ] {
        assert_eq!(text.parse::<Tcti>().unwrap().to_string(), shown);
    }
}

#[test]
fn tcti_of_another_form_is_refused_with_what_was_found() {
    for text in [
        "",
        "/dev/tpm0",
        "mssim:host=localhost",
        "swtpm:host",
        "swtpm:host=",
        "swtpm:port=70000",
        "swtpm:path=/run/tpm",
    ] {
        let found = text.to_owned();
        assert_eq!(text.parse::<Tcti>(), Err(TctiParseError { found }));
    }
}
