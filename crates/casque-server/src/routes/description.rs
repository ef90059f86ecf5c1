//! What is said of each route, in the order of the table: the OpenAPI document is made from it.

use axum::http::StatusCode;
use casque_core::Blame;
use casque_wire as wire;
use utoipa::openapi::{HttpMethod, Object};

use super::policies::{DEFAULT_PAGE, MOST_NAMES};
use super::state::OPENMETRICS;
use crate::answer::Dialect;
use crate::openapi::{
    Body, Content, Operation, Parameter, ParameterPlace, Proof, described, hash, name,
    name_of_one_segment, number, utf8_text,
};

pub(super) const CHALLENGE: Operation = Operation {
    id: "challenge",
    route: "challenge",
    method: HttpMethod::Post,
    path: "/v1/challenge",
    summary: "Offers a nonce to attest with",
    answer: Content::Json(described::<wire::Challenge>),
    ..PLAIN
};

pub(super) const RELEASE: Operation = Operation {
    id: "attest",
    route: "attest",
    method: HttpMethod::Post,
    path: "/v1/attest",
    summary: "Takes evidence and releases a sealed configuration",
    body: Some(Body(&[Content::Json(described::<wire::AttestRequest>)])),
    answer: Content::Json(described::<wire::AttestAnswer>),
    refused: &[
        Blame::Malformed,
        Blame::TooLarge,
        Blame::Unauthenticated,
        Blame::Denied,
        Blame::Absent,
    ],
    ..PLAIN
};

pub(super) const AZURE_GUEST: Operation = Operation {
    id: "attest-azure-guest",
    route: "attest-azure-guest",
    method: HttpMethod::Post,
    path: "/v1/attest/azure-guest",
    summary: "Has the policy's attestation service judge an Azure virtual machine with its TPM, whose answer only the machine opens",
    body: Some(Body(&[Content::Json(described::<wire::GuestRequest>)])),
    answer: Content::Json(described::<wire::GuestAnswer>),
    ..RELEASE
};

pub(super) const ATTEMPTS: Operation = Operation {
    id: "attempts",
    route: "attempts",
    path: "/v1/attempts/{name}/{service}",
    summary: "Tells how the last attempts to attest for a service were judged, as far as this process remembers",
    parameters: &[NAME, SERVICE],
    answer: Content::Json(described::<wire::Attempts>),
    refused: READ_REFUSED,
    proof: Proof::CertificateIfAsked,
    ..PLAIN
};

pub(super) const VERSION: Operation = Operation {
    id: "version",
    route: "version",
    path: "/v1/version",
    summary: "Says what answers, and which keys it has",
    answer: Content::Json(described::<wire::Version>),
    ..PLAIN
};

pub(super) const CREATE: Operation = Operation {
    id: "session-create",
    route: "session-create",
    method: HttpMethod::Post,
    path: "/session",
    summary: "Puts a version of a policy: its text, or a signed session; any content type is taken",
    body: Some(Body(&[
        Content::Text("text/plain", utf8_text),
        Content::Json(described::<wire::SignedSession>),
    ])),
    status: StatusCode::CREATED,
    answer: Content::Json(described::<wire::PolicyCreated>),
    refused: PUT_REFUSED,
    proof: Proof::CertificateOrSignature,
    dialect: Dialect::Scone,
    ..PLAIN
};

pub(super) const CREATE_ENCRYPTED: Operation = Operation {
    id: "session-create-encrypted",
    route: "session-create-encrypted",
    method: HttpMethod::Put,
    path: "/v1/encrypted_sessions",
    summary: "Puts a version of a policy that is encrypted to this server, signed or not",
    body: Some(Body(&[Content::Json(described::<wire::EncryptedSession>)])),
    ..CREATE
};

pub(super) const ENCRYPTED: &[Operation] = &[
    CREATE_ENCRYPTED,
    Operation {
        id: "session-create-encrypted-post",
        method: HttpMethod::Post,
        ..CREATE_ENCRYPTED
    },
];

pub(super) const LIST: Operation = Operation {
    id: "session-list",
    route: "session-list",
    path: "/v1/sessions",
    summary: "Lists the policies in a namespace, at any depth",
    parameters: &[
        Parameter {
            name: "namespace",
            about: "The namespace; `/` unless another is given",
            schema: name,
            place: ParameterPlace::Query,
        },
        Parameter {
            name: "after",
            about: "Lists what follows this name: `next` of the page before",
            schema: name,
            place: ParameterPlace::Query,
        },
        Parameter {
            name: "limit",
            about: "The most names on the page; 100 unless another number is given",
            schema: limit,
            place: ParameterPlace::Query,
        },
    ],
    answer: Content::Json(described::<wire::PolicyList>),
    refused: READ_REFUSED,
    proof: Proof::CertificateIfAsked,
    dialect: Dialect::Scone,
    ..PLAIN
};

fn limit() -> Object {
    number(1, MOST_NAMES, DEFAULT_PAGE)
}

pub(super) const READ: Operation = Operation {
    id: "session-read",
    route: "session-read",
    path: "/v1/sessions/{name}",
    summary: "Reads a policy's text: that of its current version, or of another one",
    parameters: &[
        NAME,
        Parameter {
            name: "hash",
            about: "The version; the current one unless another is given",
            schema: hash,
            place: ParameterPlace::Query,
        },
    ],
    answer: Content::Json(described::<wire::PolicyRead>),
    ..LIST
};

pub(super) const READ_OLD: Operation = Operation {
    id: "session-read-old",
    path: "/session/{name}",
    summary: "The same, where older clients of SCONE look for it",
    ..READ
};

pub(super) const HISTORY: Operation = Operation {
    id: "session-history",
    route: "session-history",
    path: "/v1/history/{name}",
    summary: "Lists all versions of a policy, the first one first",
    parameters: &[NAME],
    answer: Content::Json(described::<wire::History>),
    ..LIST
};

pub(super) const HASH: Operation = Operation {
    id: "session-hash",
    route: "session-hash",
    path: "/v1/hashes/{name}",
    summary: "Says the hash of a policy's current version; to everyone if it has or had a salt",
    parameters: &[NAME],
    answer: Content::Json(described::<wire::CurrentHash>),
    ..LIST
};

pub(super) const VALUE: Operation = Operation {
    id: "value",
    route: "values",
    path: "/v1/values/session={session},secret={secret}",
    summary: "Reads one value that a policy exports to the public",
    parameters: &[SESSION, SECRET],
    answer: Content::Json(described::<wire::Value>),
    refused: &[Blame::Malformed, Blame::Absent],
    dialect: Dialect::Scone,
    ..PLAIN
};

pub(super) const VALUES: &[Operation] = &[
    VALUE,
    Operation {
        id: "value-of-version",
        path: "/v1/values/session={session},secret={secret},session_hash={session_hash}",
        summary: "The same, if the policy's current version is this one",
        parameters: &[SESSION, SECRET, SESSION_HASH],
        ..VALUE
    },
    Operation {
        id: "values",
        path: "/v1/values/session={session}",
        summary: "Reads all values that a policy exports to the public",
        parameters: &[SESSION],
        answer: Content::Json(described::<wire::Values>),
        ..VALUE
    },
    Operation {
        id: "values-of-version",
        path: "/v1/values/session={session},session_hash={session_hash}",
        summary: "The same, if the policy's current version is this one",
        parameters: &[SESSION, SESSION_HASH],
        answer: Content::Json(described::<wire::Values>),
        ..VALUE
    },
];

pub(super) const EXPORT: Operation = Operation {
    id: "export",
    route: "export",
    method: HttpMethod::Post,
    path: "/v1/exports",
    summary: "Gives another CAS a value that a policy here exports to a policy there",
    body: Some(Body(&[Content::Json(described::<wire::ExportRequest>)])),
    answer: Content::Json(described::<wire::ExportAnswer>),
    refused: &[
        Blame::Malformed,
        Blame::TooLarge,
        Blame::Unauthenticated,
        Blame::Absent,
    ],
    proof: Proof::Certificate,
    ..PLAIN
};

pub(super) const OPENAPI: Operation = Operation {
    id: "openapi",
    route: "openapi",
    path: "/v1/openapi.json",
    summary: "This document",
    answer: Content::AnyJson,
    ..PLAIN
};

pub(super) const HEALTHY: Operation = Operation {
    id: "healthz",
    route: "healthz",
    path: "/healthz",
    summary: "Whether the server is alive",
    answer: Content::Text("text/plain", utf8_text),
    ..PLAIN
};

pub(super) const READY: Operation = Operation {
    id: "readyz",
    route: "readyz",
    path: "/readyz",
    summary: "Whether the server can serve: the store answers",
    answer: Content::Text("text/plain", utf8_text),
    ..PLAIN
};

pub(super) const METRICS: Operation = Operation {
    id: "metrics",
    route: "metrics",
    path: "/metrics",
    summary: "What was counted, as OpenMetrics text",
    answer: Content::Text(OPENMETRICS, utf8_text),
    ..PLAIN
};

/// What most have in common.
const PLAIN: Operation = Operation {
    id: "",
    route: "",
    method: HttpMethod::Get,
    path: "",
    summary: "",
    parameters: &[],
    body: None,
    status: StatusCode::OK,
    answer: Content::AnyJson,
    refused: &[],
    proof: Proof::Nothing,
    dialect: Dialect::Casque,
};

const PUT_REFUSED: &[Blame] = &[
    Blame::Malformed,
    Blame::TooLarge,
    Blame::Unauthenticated,
    Blame::Denied,
    Blame::Absent,
    Blame::Conflict,
];

const READ_REFUSED: &[Blame] = &[Blame::Malformed, Blame::Denied, Blame::Absent];

const NAME: Parameter = Parameter {
    name: "name",
    about: "The policy with its namespaces; slashes need not be escaped, and `%2F` is the root namespace",
    schema: name,
    place: ParameterPlace::Path,
};

const SERVICE: Parameter = Parameter {
    name: "service",
    about: "The service",
    schema: name_of_one_segment,
    place: ParameterPlace::Path,
};

const SESSION: Parameter = Parameter {
    name: "session",
    about: "The policy with its namespaces; slashes need not be escaped",
    schema: name,
    place: ParameterPlace::Path,
};

const SECRET: Parameter = Parameter {
    name: "secret",
    about: "The secret",
    schema: name_of_one_segment,
    place: ParameterPlace::Path,
};

const SESSION_HASH: Parameter = Parameter {
    name: "session_hash",
    about: "The version that must be the current one",
    schema: hash,
    place: ParameterPlace::Path,
};
