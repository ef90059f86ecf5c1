//! The OpenAPI document, against the server that serves it.

use std::process::Command;

use serde_json::Value;

use crate::{World, refusal, refused};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];

fn document(world: &World) -> Value {
    let answer = world.get_as_stranger("/v1/openapi.json");
    assert_eq!(answer.status, 200);
    answer.json()
}

#[test]
fn document_is_the_one_that_is_printed() {
    let printed: Value = serde_json::from_str(&casque_server::openapi_json().unwrap()).unwrap();
    assert_eq!(document(&World::new()), printed);
    let program = Command::new(env!("CARGO_BIN_EXE_casqued"))
        .arg("openapi")
        .output();
    let said: Value = serde_json::from_slice(&program.unwrap().stdout).unwrap();
    assert_eq!(said, printed);
    assert_eq!(printed["openapi"], "3.1.0");
}

#[test]
fn methods_that_are_not_described_are_refused() {
    let world = World::new();
    let document = document(&world);
    for (path, item) in document["paths"].as_object().unwrap() {
        let concrete = path.replace(['{', '}'], "");
        for method in METHODS {
            let peer = world.server.connect(Some(&world.author));
            let answer = peer.send(method, &concrete, "", b"");
            let name = method.to_ascii_lowercase();
            if item[&name].is_object() {
                assert_ne!(answer.status, 405, "{method} {concrete}");
                let status = answer.status.to_string();
                let described = &item[&name]["responses"][&status];
                assert!(described.is_object(), "{method} {concrete} {status}");
            } else {
                assert_eq!(
                    refusal(&answer),
                    refused(405, "no-such-method"),
                    "{method} {concrete}"
                );
                assert!(answer.head.contains("\r\nallow: "), "{}", answer.head);
            }
        }
    }
    let answer = world.get("/v1/nothing");
    assert_eq!(refusal(&answer), refused(404, "no-such-route"));
}

#[test]
fn bodies_over_their_bounds_are_refused() {
    let world = World::new();
    let document = document(&world);
    let body = vec![b' '; 2 * 1024 * 1024 + 1];
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            if item[method.to_ascii_lowercase()]["requestBody"].is_object() {
                let peer = world.server.connect(Some(&world.author));
                let answer = peer.send(method, path, "", &body);
                assert_eq!(
                    refusal(&answer),
                    refused(413, "body-too-large"),
                    "{method} {path}"
                );
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 6);
}

#[test]
fn references_of_the_document_lead_somewhere() {
    let text = casque_server::openapi_json().unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut seen = 0;
    for reference in text.split("\"$ref\": \"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}
