//! Policies: put, read, listed.

use casque_secrets::IdentityKey;

use crate::{World, policy, refused, scone_refusal};

#[test]
fn policy_is_read_by_every_spelling_of_its_path() {
    let world = World::new();
    let text = policy("team", "");
    world.put(&text);
    let hash = world.put(&policy("team/app", ""));
    for path in [
        "/v1/sessions/team/app",
        "/v1/sessions//team/app",
        "/v1/sessions/team%2Fapp",
        "/v1/sessions/%2Fteam%2Fapp",
        "/session/team/app",
        "/session//team/app",
        &format!("/v1/sessions/team/app?hash={hash}"),
    ] {
        let answer = world.get(path);
        assert_eq!(answer.status, 200, "{path} {}", answer.body);
        assert_eq!(answer.json()["hash"], hash);
        let session = answer.json()["session"].as_str().unwrap().to_owned();
        assert!(session.contains("name: team/app\n"), "{session}");
    }
}

#[test]
fn root_namespace_is_read_by_each_of_its_paths() {
    let world = World::new();
    for path in [
        "/v1/sessions/%2F",
        "/v1/sessions//",
        "/session/%2F",
        "/v1/sessions/%2f",
    ] {
        let answer = world.get_as_stranger(path);
        assert_eq!(answer.status, 200, "{path} {}", answer.body);
        let session = answer.json()["session"].as_str().unwrap().to_owned();
        assert!(session.starts_with("name: /\n"), "{session}");
    }
    let hash = world.get_as_stranger("/v1/hashes/%2F");
    assert_eq!(
        hash.json()["hash"],
        world.get("/v1/sessions//").json()["hash"]
    );
    let answer = world.get_as_stranger("/v1/history/%2F");
    assert_eq!(answer.json()["versions"].as_array().unwrap().len(), 0);
}

#[test]
fn versions_of_a_policy_stand_in_its_history() {
    let world = World::new();
    let first = world.put(&policy("app", ""));
    let second = world.put(&policy("app", &format!("predecessor: {first}\n")));
    let answer = world.get("/v1/history/app");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let versions = answer.json()["versions"].clone();
    assert_eq!(versions[0]["hash"], first);
    assert!(versions[0]["predecessor"].is_null());
    assert_eq!(
        (&versions[1]["hash"], &versions[1]["predecessor"]),
        (&second.clone().into(), &first.clone().into())
    );
    let created = versions[1]["created"].as_str().unwrap();
    assert!(created.len() == 20 && created.ends_with('Z'), "{created}");
    assert_eq!(world.get("/v1/hashes/app").json()["hash"], second);
    let read = world.get(&format!("/v1/sessions/app?hash={first}"));
    assert_eq!(read.json()["hash"], first);
}

#[test]
fn hash_is_public_from_the_first_salt_on() {
    let world = World::new();
    let first = world.put(&policy("app", ""));
    let hidden = world.get_as_stranger("/v1/hashes/app");
    assert_eq!(scone_refusal(&hidden), refused(403, "not-permitted"));
    let lines = format!("predecessor: {first}\nsalt: 0123456789abcdef0123456789abcdef\n");
    let answer = world.try_put(&policy("app", &lines));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let shown = world.get_as_stranger("/v1/hashes/app");
    assert_eq!(
        (shown.status, &shown.json()["hash"]),
        (200, &answer.json()["hash"])
    );
}

#[test]
fn policies_are_listed_page_by_page() {
    let world = World::new();
    world.put(&policy(
        "/",
        "access_policy:\n  list_sessions: [ANY]\n  create_sessions: [ANY]\n",
    ));
    for name in ["b", "a", "a/c", "a/d"] {
        world.put(&policy(name, ""));
    }
    let all = world.get_as_stranger("/v1/sessions");
    assert_eq!(all.status, 200, "{}", all.body);
    assert_eq!(all.body, r#"{"sessions":["a","a/c","a/d","b"]}"#);
    let first = world.get_as_stranger("/v1/sessions?namespace=/&limit=3");
    assert_eq!(first.body, r#"{"sessions":["a","a/c","a/d"],"next":"a/d"}"#);
    let second = world.get_as_stranger("/v1/sessions?namespace=%2F&limit=3&after=a%2Fd");
    assert_eq!(second.body, r#"{"sessions":["b"]}"#);
    let single = world.get_as_stranger("/v1/sessions?limit=1");
    assert_eq!(single.body, r#"{"sessions":["a"],"next":"a"}"#);
    let within = world.get("/v1/sessions?namespace=a");
    assert_eq!(within.body, r#"{"sessions":["a/c","a/d"]}"#);
    let hidden = world.get_as_stranger("/v1/sessions?namespace=a");
    assert_eq!(scone_refusal(&hidden), refused(403, "not-permitted"));
    let absent = world.get("/v1/sessions?namespace=z");
    assert_eq!(scone_refusal(&absent), refused(404, "policy-absent"));
}

#[test]
fn read_bent_is_refused() {
    let world = World::new();
    world.put(&policy("app", ""));
    let no_such_version = format!("/v1/sessions/app?hash={}", "0".repeat(64));
    for path in [
        "/v1/sessions/ap",
        &no_such_version,
        "/v1/history/none",
        "/v1/hashes/none",
    ] {
        let answer = world.get(path);
        assert_eq!(
            scone_refusal(&answer),
            refused(404, "policy-absent"),
            "{path}"
        );
        assert!(
            answer.body.contains("Session not found: "),
            "{}",
            answer.body
        );
    }
    for path in [
        "/v1/sessions/app?hash=0",
        "/v1/sessions/app?version=1",
        "/v1/sessions/app//",
        "/v1/sessions/%ff",
        "/v1/sessions/a%20b",
        "/v1/history/a%20b",
        "/v1/hashes/%ff",
        "/v1/sessions?limit=0",
        "/v1/sessions?limit=1001",
        "/v1/sessions?limit=x",
        "/v1/sessions?after=a%20b",
        "/v1/sessions?namespace=a&namespace=b",
    ] {
        let answer = world.get(path);
        assert_eq!(
            scone_refusal(&answer),
            refused(400, "request-malformed"),
            "{path}"
        );
    }
}

#[test]
fn read_by_others_is_refused() {
    let world = World::new();
    world.put(&policy("app", ""));
    for path in [
        "/v1/sessions/app",
        "/session/app",
        "/v1/history/app",
        "/v1/hashes/app",
    ] {
        let answer = world.get_as_stranger(path);
        assert_eq!(
            scone_refusal(&answer),
            refused(403, "not-permitted"),
            "{path}"
        );
    }
}

#[test]
fn put_bent_is_refused_with_scones_words() {
    let world = World::new();
    let hash = world.put(&policy("app", ""));
    let exists = world.try_put(&policy("app", ""));
    assert_eq!(scone_refusal(&exists), refused(409, "policy-exists"));
    assert!(
        exists
            .body
            .contains("No predecessor hash specified albeit session alias used already")
    );
    let zeros = "0".repeat(64);
    let stale = world.try_put(&policy("app", &format!("predecessor: {zeros}\n")));
    assert_eq!(
        scone_refusal(&stale),
        refused(409, "predecessor-not-current")
    );
    assert!(
        stale
            .body
            .contains("Could not create successor session. Invalid previous session digest")
    );
    let absent = world.try_put(&policy("new", &format!("predecessor: {hash}\n")));
    assert_eq!(scone_refusal(&absent), refused(409, "policy-absent"));
    assert!(
        absent
            .body
            .contains("Predecessor hash specified albeit session alias unused")
    );
    for (name, lines, expected) in [
        ("none/app", String::new(), refused(404, "namespace-absent")),
        (
            "app/a",
            format!("namespace_hash: {zeros}\n"),
            refused(409, "namespace-not-current"),
        ),
        (
            "app",
            format!("namespace_hash: {hash}\n"),
            refused(400, "namespace-hash-on-update"),
        ),
        ("/", String::new(), refused(409, "root-sealed")),
        (
            "mine",
            format!("creator: {}\n", other_key()),
            refused(400, "creator-mismatch"),
        ),
        (
            "given",
            format!("secrets:\n  - {{name: c, kind: private-key, value: {FOREIGN_KEY:?}}}\n"),
            refused(400, "secret-value-malformed"),
        ),
        (
            "importing",
            "secrets:\n  - {name: k, kind: private-key, import: {session: app, secret: k}}\n  - {name: c, kind: x509, private_key: k}\n"
                .to_owned(),
            refused(400, "secret-unavailable"),
        ),
    ] {
        let answer = world.try_put(&policy(name, &lines));
        assert_eq!(scone_refusal(&answer), expected, "{name} {}", answer.body);
    }
}

fn other_key() -> String {
    IdentityKey::generate().unwrap().key_hash().to_string()
}

#[test]
fn put_by_others_is_refused() {
    let world = World::new();
    let hash = world.put(&policy("app", ""));
    let other = IdentityKey::generate().unwrap();
    let put = |text: String| {
        let peer = world.server.connect(Some(&other));
        scone_refusal(&peer.post("/session", text.as_bytes()))
    };
    let update = policy("app", &format!("predecessor: {hash}\n"));
    assert_eq!(put(update), refused(403, "not-permitted"));
    assert_eq!(put(policy("app/sub", "")), refused(403, "not-permitted"));
    let answer = world
        .server
        .connect(None)
        .post("/session", policy("x", "").as_bytes());
    assert_eq!(
        scone_refusal(&answer),
        refused(401, "client-certificate-missing")
    );
}

#[test]
fn namespace_of_old_language_is_refused() {
    let world = World::new();
    let answer = world.try_put("name: old\nversion: \"0.2\"\n");
    assert_eq!(answer.status, 201, "{}", answer.body);
    let answer = world.try_put(&policy("old/app", ""));
    assert_eq!(scone_refusal(&answer), refused(400, "namespace-old"));
}

#[test]
fn body_of_any_content_type_is_a_policy() {
    let world = World::new();
    for (index, headers) in [
        "",
        "Content-Type: application/json\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/octet-stream\r\nExpect: 100-continue\r\n",
        "Content-Type: text/x-yaml; charset=utf-8\r\n",
        "Content-Type: \r\n",
    ]
    .iter()
    .enumerate()
    {
        let text = policy(&format!("app{index}"), "");
        let peer = world.server.connect(Some(&world.author));
        let answer = peer.send("POST", "/session", headers, text.as_bytes());
        assert!(
            answer.body.contains("\"hash\""),
            "{headers} {}",
            answer.body
        );
    }
    let json = r#"{"name": "json", "version": "0.3.12"}"#;
    assert_eq!(world.try_put(json).status, 201);
    assert_eq!(world.try_put("{name: flow, version: '0.3'}").status, 201);
}

/// A key of a curve that the language does not have; made with openssl for this test, it protects nothing.
const FOREIGN_KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgB5GwArpXP1jw/GWLs6VS\n7/SzsQaRtp3h/HrreBTkT5KhRANCAAQr2ZYeSHs5IsDXILMB9oH2X7Dpxl4q8yXP\nTSc6Ljoyk4kp590JNd2PkPMAMnHVqK7uD6wi+LOY4F8t91i8KoGr\n-----END PRIVATE KEY-----\n";
