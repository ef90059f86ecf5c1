use assert_matches::assert_matches;

use super::*;

const HASH: &str = "1111111111111111111111111111111111111111111111111111111111111111";

fn resolve(
    arguments: &RunArguments,
    environment: &[(&str, &str)],
) -> Result<AgentSettings, SettingsError> {
    let host = environment.iter().copied().collect();
    AgentSettings::resolve(arguments, &host)
}

fn flags() -> RunArguments {
    RunArguments {
        config_id: Some("app/web".to_owned()),
        address: Some("cas:9000".to_owned()),
        server_key: Some(HASH.to_owned()),
        ..RunArguments::default()
    }
}

#[test]
fn settings_flags_come_before_variables() {
    let environment = [("CASQUE_ADDR", "other"), ("SCONE_CONFIG_ID", "x/y")];
    let settings = resolve(&flags(), &environment).unwrap();
    assert_eq!(settings.address.to_string(), "cas:9000");
    assert_eq!(settings.config.to_string(), "app/web");
}

#[test]
fn settings_scone_variables_are_understood_after_our_own() {
    let environment = [
        ("SCONE_CAS_ADDR", "scone-cas"),
        ("SCONE_CONFIG_ID", "/ns/app/web"),
        ("CASQUE_SERVER_KEY", HASH),
    ];
    let settings = resolve(&RunArguments::default(), &environment).unwrap();
    assert_eq!(settings.address.to_string(), "scone-cas:8081");
    assert_eq!(settings.config.to_string(), "ns/app/web");
    let mut both = environment.to_vec();
    both.push(("CASQUE_ADDR", "casque"));
    let settings = resolve(&RunArguments::default(), &both).unwrap();
    assert_eq!(settings.address.host(), "casque");
}

#[test]
fn settings_that_are_missing_are_named() {
    let bend = |bend: fn(&mut RunArguments)| {
        let mut arguments = flags();
        bend(&mut arguments);
        resolve(&arguments, &[]).unwrap_err()
    };
    assert_matches!(bend(|a| a.address = None), SettingsError::Absent { missing } if missing == [NO_ADDRESS]);
    assert_matches!(bend(|a| a.config_id = None), SettingsError::Absent { missing } if missing == [NO_CONFIG]);
    assert_matches!(bend(|a| a.server_key = None), SettingsError::Absent { missing } if missing == [NO_SERVER_KEY]);
    let all = resolve(&RunArguments::default(), &[]).unwrap_err();
    assert_matches!(all, SettingsError::Absent { missing } if missing.len() == 3);
}

#[test]
fn settings_that_are_wrong_are_named() {
    let bend = |bend: fn(&mut RunArguments)| {
        let mut arguments = flags();
        bend(&mut arguments);
        resolve(&arguments, &[]).unwrap_err()
    };
    let wrong = bend(|a| a.address = Some("http://cas".to_owned()));
    assert_matches!(wrong, SettingsError::Address { .. });
    let wrong = bend(|a| a.config_id = Some("app".to_owned()));
    assert_matches!(wrong, SettingsError::Config { .. });
    let wrong = bend(|a| a.server_key = Some("abc".to_owned()));
    assert_matches!(wrong, SettingsError::ServerKey(_));
    let wrong = bend(|a| a.ca_file = Some("/nowhere/ca.pem".into()));
    assert_matches!(wrong, SettingsError::CaFile { .. });
}

#[test]
fn settings_with_authorities_still_pin_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, "PEM").unwrap();
    let environment = [("CASQUE_CA_FILE", ca.to_str().unwrap())];
    let trust = resolve(&flags(), &environment).unwrap().trust();
    assert_matches!(&trust, ServerTrust::CertificateAuthority { authorities_pem, .. } => {
        assert_eq!(authorities_pem, b"PEM");
    });
    assert_eq!(trust.key_hash().copied(), HASH.parse().ok());
    let pinned = resolve(&flags(), &[]).unwrap().trust();
    assert_matches!(pinned, ServerTrust::Pinned(_));
}

/// The one-time password of these settings.
fn otp(settings: &AgentSettings) -> Option<&str> {
    settings
        .factors
        .one_time_password
        .as_ref()
        .map(OtpCode::expose)
}

fn token(settings: &AgentSettings) -> Option<&str> {
    settings.factors.access_token.as_ref()?.expose_text()
}

#[test]
fn settings_one_time_password_may_stand_behind_the_config_id() {
    let environment = [
        ("SCONE_CONFIG_ID", "app/web@123456"),
        ("CASQUE_OTP", "000000"),
    ];
    let mut arguments = flags();
    arguments.config_id = None;
    let settings = resolve(&arguments, &environment).unwrap();
    assert_eq!(settings.config.to_string(), "app/web");
    assert_eq!(otp(&settings), Some("123456"));
    arguments.otp = Some("654321".to_owned());
    let settings = resolve(&arguments, &environment).unwrap();
    assert_eq!(otp(&settings), Some("654321"));
    let settings = resolve(&flags(), &environment).unwrap();
    assert_eq!(otp(&settings), Some("000000"));
    assert_eq!(otp(&resolve(&flags(), &[]).unwrap()), None);
}

#[test]
fn settings_one_time_password_that_is_none_is_refused() {
    for text in [
        "app/web@",
        "app/web@12345",
        "app/web@12345a",
        "app/web@123456@",
    ] {
        let mut arguments = flags();
        arguments.config_id = Some(text.to_owned());
        assert_matches!(
            resolve(&arguments, &[]),
            Err(SettingsError::Otp(_)),
            "{text}"
        );
    }
}

#[test]
fn settings_access_token_comes_from_the_file_before_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "of the file\r\n").unwrap();
    let scone = ("SCONE_SERVICE_ACCESS_TOKEN", "of SCONE");
    let own = ("CASQUE_SERVICE_ACCESS_TOKEN", "our own");
    let mut arguments = flags();
    assert_eq!(token(&resolve(&arguments, &[]).unwrap()), None);
    assert_eq!(
        token(&resolve(&arguments, &[scone]).unwrap()),
        Some("of SCONE")
    );
    assert_eq!(
        token(&resolve(&arguments, &[scone, own]).unwrap()),
        Some("our own")
    );
    arguments.service_access_token_file = Some(file);
    assert_eq!(
        token(&resolve(&arguments, &[scone, own]).unwrap()),
        Some("of the file")
    );
}

#[test]
fn settings_access_token_file_that_holds_none_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let mut arguments = flags();
    arguments.service_access_token_file = Some(file.clone());
    let refused = resolve(&arguments, &[]);
    assert_matches!(refused, Err(SettingsError::AccessTokenFile { .. }));
    for text in ["", "\n", &"x".repeat(MAX_TOKEN_BYTES + 1)] {
        std::fs::write(&file, text).unwrap();
        let refused = resolve(&arguments, &[]);
        assert_matches!(refused, Err(SettingsError::AccessToken { .. }));
    }
    std::fs::write(&file, "x".repeat(MAX_TOKEN_BYTES)).unwrap();
    assert!(resolve(&arguments, &[]).is_ok());
}

#[test]
fn settings_debug_shows_neither_token_nor_password() {
    let environment = [
        ("SCONE_SERVICE_ACCESS_TOKEN", "hunter2"),
        ("CASQUE_OTP", "123456"),
    ];
    let shown = format!("{:?}", resolve(&flags(), &environment).unwrap());
    assert!(
        !shown.contains("hunter2") && !shown.contains("123456"),
        "{shown}"
    );
}

#[test]
fn settings_directory_of_volumes_comes_from_flag_or_variable() {
    let environment = [("CASQUE_VOLUMES", "/v")];
    let mut arguments = flags();
    let settings = resolve(&arguments, &environment).unwrap();
    assert_eq!(settings.volumes.as_deref(), Some(Path::new("/v")));
    arguments.volumes = Some("/w".into());
    let settings = resolve(&arguments, &environment).unwrap();
    assert_eq!(settings.volumes.as_deref(), Some(Path::new("/w")));
}

fn account_token(settings: &AgentSettings) -> Option<&str> {
    settings
        .factors
        .service_account_token
        .as_ref()?
        .expose_text()
}

#[test]
fn settings_service_account_token_is_the_one_in_the_file_now() {
    let directory = tempfile::tempdir().unwrap();
    let (file, other) = (
        directory.path().join("token"),
        directory.path().join("other"),
    );
    std::fs::write(&file, "aa.bb.cc\n").unwrap();
    std::fs::write(&other, "aa.bb.zz").unwrap();
    let environment = [("CASQUE_SERVICE_ACCOUNT_TOKEN_FILE", other.to_str().unwrap())];
    let settings = resolve(&flags(), &environment).unwrap();
    assert_eq!(account_token(&settings), Some("aa.bb.zz"));
    let mut arguments = flags();
    arguments.service_account_token_file = Some(file.clone());
    let settings = resolve(&arguments, &environment).unwrap();
    assert_eq!(account_token(&settings), Some("aa.bb.cc"));
    std::fs::write(&file, "aa.bb.dd").unwrap();
    let settings = resolve(&arguments, &[]).unwrap();
    assert_eq!(account_token(&settings), Some("aa.bb.dd"));
    assert_eq!(account_token(&resolve(&flags(), &[]).unwrap()), None);
}

#[test]
fn settings_service_account_token_that_is_none_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let mut arguments = flags();
    arguments.service_account_token_file = Some(file.clone());
    assert_matches!(
        resolve(&arguments, &[]),
        Err(SettingsError::AccountTokenFile { .. })
    );
    let long = format!("a.b.{}", "c".repeat(16 * 1024));
    for text in ["", "aa.bb", "a\u{e4}.bb.cc", "a a.bb.cc", &long] {
        std::fs::write(&file, text).unwrap();
        let refused = resolve(&arguments, &[]);
        assert_matches!(refused, Err(SettingsError::AccountToken { .. }));
    }
}
