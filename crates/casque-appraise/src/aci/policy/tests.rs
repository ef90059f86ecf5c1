use super::*;

fn is_open(text: &str) -> bool {
    allows_all(text.as_bytes())
}

const OPEN: &str = r#"package policy

api_svn := "0.10.0"
framework_svn := "0.1.0"

mount_device := {"allowed": true}
create_container := {
    "allowed": true, # why not
    "allow_stdio_access": true
}
"#;

#[test]
fn policy_whose_rules_all_allow_is_open() {
    assert!(is_open(OPEN));
    assert!(is_open(
        "package policy\napi_svn := \"0.10.0\"\nallow_all := true\n"
    ));
    assert!(is_open("package policy\ndefault allow := true"));
    assert!(is_open("package policy\nallow = true"));
}

#[test]
fn policy_of_katas_agent_that_allows_every_request_is_open() {
    let text = "package agent_policy\n\nimport future.keywords.in\n\ndefault CopyFileRequest := true\ndefault ExecProcessRequest := true\n";
    assert!(is_open(text));
    let closed = format!("{text}default SetPolicyRequest := false\n");
    assert!(!is_open(&closed));
}

#[test]
fn policy_that_ignores_its_rules_is_open() {
    let strict = "package agent_policy\ndefault CreateContainerRequest := false\n";
    assert!(!is_open(strict));
    for line in [
        "default AllowRequestsFailingPolicy := true",
        "  default  AllowRequestsFailingPolicy:=true # to debug",
        "default AllowRequestsFailingPolicy = true",
    ] {
        assert!(is_open(&format!("{strict}{line}\n")), "{line}");
    }
    for line in [
        "# default AllowRequestsFailingPolicy := true",
        "default AllowRequestsFailingPolicy := false",
    ] {
        assert!(!is_open(&format!("{strict}{line}\n")), "{line}");
    }
}

#[test]
fn policy_in_an_initialization_document_is_read() {
    let document = |policy: &str| {
        let head = "version = \"0.1.0\"\nalgorithm = \"sha256\"\n[data]\n";
        format!("{head}\"policy.rego\" = '''\n{policy}'''\n\"aa.toml\" = '''x'''\n")
    };
    let open = "package agent_policy\ndefault ExecProcessRequest := true\n";
    assert!(is_open(&document(open)));
    let closed = "package agent_policy\ndefault ExecProcessRequest := false\n";
    assert!(!is_open(&document(closed)));
}

#[test]
fn older_policy_says_whether_it_is_open() {
    assert!(is_open(
        r#"{"allow_all":true,"containers":{"length":0,"elements":{}}}"#
    ));
    assert!(!is_open(
        r#"{"allow_all":false,"containers":{"length":0,"elements":{}}}"#
    ));
}

#[test]
fn policy_with_a_condition_is_not_told_to_be_open() {
    for line in [
        "exec_in_container := data.framework.exec_in_container",
        "exec_in_container := {\"allowed\": false}",
        "exec_in_container := {\"allowed\": input.x}",
        "exec_in_container := {\"allowed\": true} if input.x == 1",
        "exec_in_container = {\"allowed\": true} { input.x == 1 }",
        "containers := []",
        "exec_in_container { true }",
        "api_svn := data.x",
    ] {
        assert!(!is_open(&format!("{OPEN}{line}\n")), "{line}");
    }
}

#[test]
fn text_that_is_no_plain_rego_is_not_told_to_be_open() {
    for text in [
        "",
        "package policy",
        "{",
        "x := true }",
        "x := \"",
        "x := `true`",
        "x := \"a\nb\"",
    ] {
        assert!(!is_open(text), "{text}");
    }
    assert!(!allows_all(&[0xFF, 0xFE]));
}
