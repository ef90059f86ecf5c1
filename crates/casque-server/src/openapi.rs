//! The OpenAPI 3.1 document of this server, made from what the routes say of themselves.
//!
//! The messages are those of `casque-wire`, whose types derive their schemas.

use axum::http::StatusCode;
use casque_core::Blame;
use casque_wire as wire;
use utoipa::ToSchema;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{Components, Schema};
use utoipa::openapi::security::{SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, HttpMethod, InfoBuilder, License, Object, ObjectBuilder, OpenApi,
    OpenApiBuilder, Paths, Ref, RefOr, Required, Response, ResponseBuilder, ResponsesBuilder, Type,
};

use crate::answer::{Dialect, status_of};

/// One thing that a route does: what it takes, and how it can answer.
pub(crate) struct Operation {
    /// Unique in the document.
    pub(crate) id: &'static str,
    /// The label of its answers in log and metrics.
    pub(crate) route: &'static str,
    pub(crate) method: HttpMethod,
    /// As OpenAPI writes it.
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) parameters: &'static [Parameter],
    pub(crate) body: Option<Body>,
    /// The status of success.
    pub(crate) status: StatusCode,
    pub(crate) answer: Content,
    /// Whose fault a refusal can be, beside the server's own.
    pub(crate) refused: &'static [Blame],
    pub(crate) proof: Proof,
    pub(crate) dialect: Dialect,
}

/// A part of a path or of a query.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) schema: fn() -> Object,
    pub(crate) place: ParameterPlace,
}

/// Where a parameter stands; those in a path are always there, those of a query may be left out.
#[derive(Clone, Copy)]
pub(crate) enum ParameterPlace {
    Path,
    Query,
}

/// A body, in one of these forms.
pub(crate) struct Body(pub(crate) &'static [Content]);

/// A form of a body.
pub(crate) enum Content {
    /// JSON of a message.
    Json(fn() -> Described),
    /// JSON of something that is described elsewhere.
    AnyJson,
    /// Text of a media type.
    Text(&'static str, fn() -> Object),
}

/// What a caller shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    Nothing,
    /// A client certificate, if the policy does not let everyone.
    CertificateIfAsked,
    /// A client certificate, unless what is sent is signed.
    CertificateOrSignature,
    Certificate,
}

/// A message's schema, with those that it needs.
pub(crate) struct Described {
    name: String,
    schemas: Vec<(String, RefOr<Schema>)>,
}

/// The description of a message.
pub(crate) fn described<T: ToSchema>() -> Described {
    let name = T::name().into_owned();
    let mut schemas = vec![(name.clone(), T::schema())];
    T::schemas(&mut schemas);
    Described { name, schemas }
}

/// The document of these operations.
pub(crate) fn document(operations: &[&Operation]) -> OpenApi {
    let mut paths = Paths::new();
    let mut components = Components::new();
    let mut keep = |described: &Described| {
        components.schemas.extend(described.schemas.iter().cloned());
    };
    keep(&described::<wire::ErrorAnswer>());
    for operation in operations {
        let methods = vec![operation.method.clone()];
        paths.add_path_operation(operation.path, methods, described_operation(operation));
        let bodies = operation.body.iter().flat_map(|body| body.0);
        for content in bodies.chain([&operation.answer]) {
            if let Content::Json(message) = content {
                keep(&message());
            }
        }
    }
    components.add_security_scheme(
        CERTIFICATE,
        SecurityScheme::MutualTls {
            description: Some(
                "Any client certificate: what counts is its key, which the handshake proves"
                    .to_owned(),
            ),
            deprecated: None,
            extensions: None,
        },
    );
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Casque")
                .description(Some(ABOUT))
                .version(env!("CARGO_PKG_VERSION"))
                .license(Some(License::new("Apache-2.0"))),
        )
        .paths(paths)
        .components(Some(components))
        .build()
}

fn described_operation(operation: &Operation) -> utoipa::openapi::path::Operation {
    let mut builder = OperationBuilder::new()
        .operation_id(Some(operation.id))
        .summary(Some(operation.summary))
        .responses(responses(operation));
    for parameter in operation.parameters {
        builder = builder.parameter(described_parameter(parameter));
    }
    if let Some(Body(forms)) = &operation.body {
        let mut body = RequestBodyBuilder::new().required(Some(Required::True));
        for form in *forms {
            let (media_type, content) = form.described();
            body = body.content(media_type, content);
        }
        builder = builder.request_body(Some(body.build()));
    }
    let certificate = || SecurityRequirement::new::<_, [&str; 0], &str>(CERTIFICATE, []);
    match operation.proof {
        Proof::Nothing => builder.build(),
        Proof::CertificateIfAsked | Proof::CertificateOrSignature => builder
            .security(certificate())
            .security(SecurityRequirement::default())
            .build(),
        Proof::Certificate => builder.security(certificate()).build(),
    }
}

fn described_parameter(parameter: &Parameter) -> utoipa::openapi::path::Parameter {
    let (place, required) = match parameter.place {
        ParameterPlace::Path => (ParameterIn::Path, Required::True),
        ParameterPlace::Query => (ParameterIn::Query, Required::False),
    };
    ParameterBuilder::new()
        .name(parameter.name)
        .parameter_in(place)
        .required(required)
        .description(Some(parameter.about))
        .schema(Some((parameter.schema)()))
        .build()
}

fn responses(operation: &Operation) -> utoipa::openapi::Responses {
    let (media_type, content) = operation.answer.described();
    let success = ResponseBuilder::new()
        .description("done")
        .content(media_type, content)
        .build();
    let mut responses = ResponsesBuilder::new().response(operation.status.as_str(), success);
    for blame in operation
        .refused
        .iter()
        .chain(&[Blame::Bug, Blame::Unavailable])
    {
        responses = responses.response(status_of(*blame).as_str(), refused(*blame));
    }
    responses.build()
}

fn refused(blame: Blame) -> Response {
    let described = match blame {
        Blame::Malformed => "what was sent is no such thing",
        Blame::TooLarge => "the body is over its bound",
        Blame::Unauthenticated => {
            "the caller did not prove who it is, or the evidence proves nothing"
        }
        Blame::Denied => "the policy does not let this caller",
        Blame::Absent => "there is no such thing",
        Blame::Conflict => "somebody was faster, or the predecessor is wrong",
        Blame::Unavailable => "a party that is needed did not do its part; try again",
        Blame::Bug => "a defect of Casque",
    };
    let error = Ref::from_schema_name(wire::ErrorAnswer::name());
    ResponseBuilder::new()
        .description(described)
        .content(JSON, ContentBuilder::new().schema(Some(error)).build())
        .build()
}

impl Content {
    fn described(&self) -> (&'static str, utoipa::openapi::Content) {
        let content = ContentBuilder::new();
        match self {
            Self::Json(message) => {
                let schema = Ref::from_schema_name(message().name);
                (JSON, content.schema(Some(schema)).build())
            }
            Self::AnyJson => {
                let schema = ObjectBuilder::new().schema_type(Type::Object);
                (JSON, content.schema(Some(schema)).build())
            }
            Self::Text(media_type, schema) => (media_type, content.schema(Some(schema())).build()),
        }
    }
}

/// Text without further form.
pub(crate) fn utf8_text() -> Object {
    Object::with_type(Type::String)
}

/// A policy's name, or that of the root namespace.
pub(crate) fn name() -> Object {
    text_like(r"^(/|/?[A-Za-z0-9_.~-]{1,512}(/[A-Za-z0-9_.~-]{1,512}){0,15})$")
}

/// The name of a secret.
pub(crate) fn name_of_one_segment() -> Object {
    text_like(r"^[A-Za-z0-9_.~-]{1,512}$")
}

/// A policy's hash.
pub(crate) fn hash() -> Object {
    text_like("^[0-9A-Fa-f]{64}$")
}

/// A whole number within bounds.
pub(crate) fn number(least: usize, most: usize, default: usize) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(least))
        .maximum(Some(most))
        .default(Some(default.into()))
        .build()
}

fn text_like(pattern: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .build()
}

const ABOUT: &str = "Policies, attestation, and release of configuration. The certificate of the server is \
    self-signed: pin its key. Words and bounds: docs/http.md; codes of refusals: docs/errors-server.md.";
const JSON: &str = "application/json";
const CERTIFICATE: &str = "client-certificate";
