use super::*;

#[test]
fn response_code_is_a_sentence_with_what_it_is_about() {
    for (code, sentence) in [
        (
            0x18B,
            "the handle is not there, or not of this kind (handle 1, response code `0x18b`)",
        ),
        (
            0x902,
            "out of memory for objects: flush contexts, or use `device:/dev/tpmrm0` (response code `0x902`)",
        ),
        (
            0x922,
            "it could not begin; the same command may succeed later (response code `0x922`)",
        ),
        (
            0x2C4,
            "a value is out of range (parameter 2, response code `0x2c4`)",
        ),
        (
            0x98E,
            "the authorisation failed: the password is not empty (session 1, response code `0x98e`)",
        ),
        (
            0x14A,
            "the NV index was never written (response code `0x14a`)",
        ),
        (0x1234, "unknown response (response code `0x1234`)"),
    ] {
        assert_eq!(ResponseCode(code).to_string(), sentence);
    }
}

#[test]
fn response_codes_that_pass_are_told_from_those_that_do_not() {
    for code in [0x902, 0x903, 0x904, 0x908, 0x90A, 0x920, 0x922] {
        assert!(ResponseCode(code).is_passing(), "{code:#x}");
    }
    for code in [0x101, 0x18B, 0x14A, 0x921, 0x923] {
        assert!(!ResponseCode(code).is_passing(), "{code:#x}");
    }
}

#[test]
fn response_code_of_an_absent_handle_is_told_from_a_bad_parameter() {
    assert!(ResponseCode(0x18B).is_absent() && ResponseCode(0x28B).is_absent());
    for code in [0x1CB, 0x98B, 0x184, 0x922] {
        assert!(!ResponseCode(code).is_absent(), "{code:#x}");
    }
}
