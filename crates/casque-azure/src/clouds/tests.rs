use assert_matches::assert_matches;

use super::*;
use crate::http::TimerPause;

fn pause() -> Arc<dyn Pause> {
    Arc::new(TimerPause)
}

fn local(name: &str, host: &str) -> CloudSettings {
    CloudSettings {
        name: name.to_owned(),
        authority: format!("https://{host}"),
        vault_suffixes: vec![host.to_owned()],
        maa_hosts: vec![host.to_owned()],
        vault_scope: "https://vault.azure.net/.default".to_owned(),
        ca_file: None,
    }
}

fn clouds(further: Vec<CloudSettings>, default: &str) -> Result<Clouds, CloudSettingsError> {
    Clouds::new(further, default, &pause())
}

fn built_in() -> Clouds {
    clouds(Vec::new(), "public").unwrap()
}

/// The cloud's name and the host.
fn vault(clouds: &Clouds, address: &str) -> Result<(String, String), HostRefused> {
    let found = clouds.for_vault(&address.parse().unwrap())?;
    Ok((found.0.name().to_owned(), found.1))
}

#[test]
fn vault_of_each_built_in_cloud_is_found_with_authority_and_scope() {
    let clouds = built_in();
    let facts = |address: &str| {
        let (cloud, _) = clouds.for_vault(&address.parse().unwrap()).unwrap();
        [cloud.name(), cloud.authority(), cloud.vault_scope()].map(str::to_owned)
    };
    assert_eq!(
        facts("https://kv1.vault.azure.net/"),
        [
            "public",
            "https://login.microsoftonline.com",
            "https://vault.azure.net/.default"
        ]
    );
    assert_eq!(
        facts("kv1.vault.usgovcloudapi.net"),
        [
            "us-government",
            "https://login.microsoftonline.us",
            "https://vault.usgovcloudapi.net/.default"
        ]
    );
    assert_eq!(
        facts("kv1.vault.azure.cn"),
        [
            "china",
            "https://login.partner.microsoftonline.cn",
            "https://vault.azure.cn/.default"
        ]
    );
}

#[test]
fn vault_name_alone_is_completed_by_the_default_cloud() {
    let found = vault(&built_in(), "my-kv");
    assert_eq!(
        found,
        Ok(("public".to_owned(), "my-kv.vault.azure.net".to_owned()))
    );
    let china = clouds(Vec::new(), "china").unwrap();
    let found = vault(&china, "my-kv").unwrap();
    assert_eq!(found.1, "my-kv.vault.azure.cn");
    let local = clouds(vec![local("local", "localhost:8443")], "local").unwrap();
    assert_matches!(vault(&local, "my-kv"), Err(HostRefused::VaultName { .. }));
}

#[test]
fn vault_host_of_no_cloud_is_refused() {
    let clouds = clouds(vec![local("local", "localhost:8443")], "public").unwrap();
    for host in [
        "vault.azure.net",
        "a.b.vault.azure.net",
        "evilvault.azure.net",
        "kv1.vault.azure.net.evil.example",
        "kv1.vault.azure.net:8443",
        "k.vault.azure.net",
        "localhost.localdomain",
        "localhost:8444",
        "x.localhost:8443",
        "kv1.managedhsm.azure.net",
    ] {
        assert_matches!(
            vault(&clouds, host),
            Err(HostRefused::Vault { .. }),
            "{host}"
        );
    }
    assert_eq!(vault(&clouds, "localhost:8443").unwrap().0, "local");
}

#[test]
fn maa_host_is_believed_below_its_suffix_alone() {
    let clouds = clouds(vec![local("local", "localhost:8443")], "public").unwrap();
    let cloud = |url: &str| {
        let found = clouds.for_maa(&url.parse().unwrap());
        found.map(|cloud| cloud.name().to_owned())
    };
    assert_eq!(
        cloud("https://sharedeus.eus.attest.azure.net").as_deref(),
        Ok("public")
    );
    assert_eq!(
        cloud("https://x.usgv.attest.azure.us").as_deref(),
        Ok("us-government")
    );
    assert_eq!(cloud("https://localhost:8443").as_deref(), Ok("local"));
    for url in [
        "https://attest.azure.net",
        "https://attest.azure.net.evil.example",
        "https://evilattest.azure.net",
        "https://a.eus.attest.azure.net:8443",
        "https://localhost:1",
    ] {
        assert_matches!(cloud(url), Err(HostRefused::Maa { .. }), "{url}");
    }
}

#[test]
fn cloud_with_the_name_of_a_built_in_replaces_it() {
    let mut public = local("public", "login.example");
    public.vault_suffixes = vec![".vault.example".to_owned()];
    let clouds = clouds(vec![public], "public").unwrap();
    assert_eq!(clouds.default_cloud().authority(), "https://login.example");
    assert_matches!(
        vault(&clouds, "kv1.vault.azure.net"),
        Err(HostRefused::Vault { .. })
    );
}

#[test]
fn settings_bent_in_one_place_are_refused() {
    let with = |bend: fn(&mut CloudSettings)| {
        let mut cloud = local("local", "localhost:8443");
        bend(&mut cloud);
        clouds(vec![cloud], "public").map(drop).unwrap_err()
    };
    assert_matches!(
        with(|c| c.name = String::new()),
        CloudSettingsError::Name { .. }
    );
    assert_matches!(
        with(|c| c.name = "a b".to_owned()),
        CloudSettingsError::Name { .. }
    );
    for authority in [
        "http://login.example",
        "login.example",
        "https://login.example/x",
    ] {
        let mut cloud = local("local", "localhost:8443");
        cloud.authority = authority.to_owned();
        let refused = clouds(vec![cloud], "public").map(drop).unwrap_err();
        assert_matches!(refused, CloudSettingsError::Authority { .. }, "{authority}");
    }
    for entry in [
        "",
        ".",
        ".net",
        "https://x.example",
        ".x.example:1",
        "X.example",
        "*.x.example",
    ] {
        let mut cloud = local("local", "localhost:8443");
        cloud.vault_suffixes = vec![entry.to_owned()];
        let refused = clouds(vec![cloud], "public").map(drop).unwrap_err();
        assert_matches!(refused, CloudSettingsError::Host { .. }, "{entry}");
    }
    for scope in [
        "",
        "https://vault.azure.net",
        "https://a/.default https://b/.default",
        "vault/.default",
    ] {
        let mut cloud = local("local", "localhost:8443");
        cloud.vault_scope = scope.to_owned();
        let refused = clouds(vec![cloud], "public").map(drop).unwrap_err();
        assert_matches!(refused, CloudSettingsError::Scope { .. }, "{scope}");
    }
    let no_file = with(|c| c.ca_file = Some("/nowhere/ca.pem".into()));
    assert_matches!(no_file, CloudSettingsError::CaFile { .. });
}

#[test]
fn ca_file_without_certificate_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut cloud = local("local", "localhost:8443");
    cloud.ca_file = Some(file.path().to_owned());
    let refused = clouds(vec![cloud], "public").map(drop).unwrap_err();
    assert_matches!(refused, CloudSettingsError::Client { .. });
}

#[test]
fn ca_file_longer_than_the_limit_is_refused() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, &vec![b'\n'; (1 << 20) + 1]).unwrap();
    let mut cloud = local("local", "localhost:8443");
    cloud.ca_file = Some(file.path().to_owned());
    let refused = clouds(vec![cloud], "public").map(drop).unwrap_err();
    assert_matches!(refused, CloudSettingsError::CaFileTooLong { .. });
}

#[test]
fn clouds_that_claim_one_host_are_refused() {
    let twice = vec![local("a", "localhost:1"), local("a", "localhost:2")];
    let refused = clouds(twice, "public").map(drop).unwrap_err();
    assert_matches!(refused, CloudSettingsError::Duplicate { .. });
    let same = vec![local("a", "localhost:1"), local("b", "localhost:1")];
    let refused = clouds(same, "public").map(drop).unwrap_err();
    assert_matches!(refused, CloudSettingsError::Overlap { .. });
    let mut inside = local("a", "localhost:1");
    inside.vault_suffixes = vec![".azure.net".to_owned()];
    let refused = clouds(vec![inside], "public").map(drop).unwrap_err();
    assert_matches!(refused, CloudSettingsError::Overlap { first, second, .. }
        if first == "a" && second == "public");
}

#[test]
fn default_cloud_that_is_unknown_is_refused() {
    let refused = clouds(Vec::new(), "mars").map(drop).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the default cloud `mars` is not configured; configured are `public`, `us-government`, `china`"
    );
}
