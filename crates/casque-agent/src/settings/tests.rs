use assert_matches::assert_matches;

use super::*;

const HASH: &str = "1111111111111111111111111111111111111111111111111111111111111111";

fn resolve(
    arguments: &RunArguments,
    environment: &[(&str, &str)],
) -> Result<AgentSettings, SettingsError> {
    let lookup = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    AgentSettings::resolve(arguments, &lookup)
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
