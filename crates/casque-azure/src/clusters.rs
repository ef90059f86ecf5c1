//! Kubernetes clusters, as issuers of service account tokens: which ones are trusted, and the keys that they publish.
//!
//! Source: Kubernetes, "Service account issuer discovery"; OpenID Connect Discovery 1.0 section 4; AKS, "Create an
//! OpenID Connect provider" (the form of issuers). A policy names an issuer, and that alone makes this server call
//! nobody: the issuer is one of AKS, whose hosts belong to Microsoft, or the operator lists it. Then:
//! 1. `<issuer>/.well-known/openid-configuration` is fetched; its `issuer` must be the same text;
//! 2. the keys are fetched from its `jwks_uri`, which must be on the issuer's own host.
//!
//! For a listed cluster the operator may name the address of the keys, or a file that holds them; then nothing is
//! discovered. What a token proves is not judged here (`casque-appraise`).

mod settings;

use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use casque_appraise::ServiceAccountKeys;
use casque_core::{ClusterSource, SourceFailure, SourceKind};
use casque_types::Timestamp;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use crate::code::Code;
use crate::failure::{CLUSTER, lasting, passing, quoted};
use crate::http::{Answer, Call, Http, Pause, TimerPause};
use crate::json;
use crate::key_cache::KeysState;
use crate::slots::Slots;
use settings::{Cluster, KeysFrom, is_of_aks};
pub use settings::{ClusterSettings, ClusterSettingsError};

/// The source of clusters' keys; they are cached by issuer.
pub struct Clusters {
    listed: Vec<Cluster>,
    /// For the issuers of AKS.
    public: Arc<Http>,
    slots: Slots<String, KeysState<ServiceAccountKeys>>,
}

impl Clusters {
    /// Checks the operator's list, reads the CA files, and makes the HTTPS clients. Connects to nothing yet.
    ///
    /// # Errors
    /// [`ClusterSettingsError`] names the cluster, and what is wrong with it.
    pub fn new(settings: Vec<ClusterSettings>) -> Result<Self, ClusterSettingsError> {
        let pause: Arc<dyn Pause> = Arc::new(TimerPause);
        Self::with_pause(settings, &pause)
    }

    pub(crate) fn with_pause(
        settings: Vec<ClusterSettings>,
        pause: &Arc<dyn Pause>,
    ) -> Result<Self, ClusterSettingsError> {
        let public = settings::client("AKS", None, pause)?;
        let listed: Result<Vec<Cluster>, _> = settings
            .into_iter()
            .map(|settings| Cluster::new(settings, &public, pause))
            .collect();
        let listed = listed?;
        settings::check_distinct(&listed)?;
        Ok(Self {
            listed,
            public,
            slots: Slots::new(MAX_CACHED_CLUSTERS),
        })
    }

    /// Where the keys of an issuer are, if it is trusted.
    fn trusted(&self, issuer: &str) -> Result<Cluster, SourceFailure> {
        let listed = self.listed.iter();
        if let Some(cluster) = listed.clone().find(|cluster| cluster.issuer == issuer) {
            return Ok(cluster.clone());
        }
        if is_of_aks(issuer) {
            return Ok(Cluster {
                issuer: issuer.to_owned(),
                keys: KeysFrom::Discovery,
                http: Arc::clone(&self.public),
            });
        }
        Err(lasting(
            SourceKind::Cluster,
            Code::ClusterNotTrusted,
            format!(
                "`{}` is neither an issuer of AKS nor one of the {} clusters that the operator lists",
                quoted(issuer, MOST_QUOTED),
                self.listed.len()
            ),
            "check `issuer` in the policy, with its slash at the end; the operator can list further clusters in \
             `[[kubernetes.clusters]]` of the server's configuration",
        ))
    }
}

impl fmt::Debug for Clusters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clusters").field(&self.listed).finish()
    }
}

impl ClusterSource for Clusters {
    async fn keys(
        &self,
        issuer: &str,
        key_id: &str,
        now: Timestamp,
    ) -> Result<Arc<ServiceAccountKeys>, SourceFailure> {
        let asked = Asked {
            cluster: &self.trusted(issuer)?,
        };
        let slot = self.slots.slot(&issuer.to_owned(), now);
        slot.keys(key_id, now, fetched(&asked, now)).await
    }
}

async fn fetched(asked: &Asked<'_>, now: Timestamp) -> Result<ServiceAccountKeys, SourceFailure> {
    let fetched = asked.keys(now).await;
    if let Err(failure) = &fetched {
        let issuer = &asked.cluster.issuer;
        tracing::warn!(code = failure.code, %issuer, "no keys of a cluster");
    }
    fetched
}

/// Which cluster is asked.
#[derive(Debug)]
struct Asked<'a> {
    cluster: &'a Cluster,
}

impl Asked<'_> {
    async fn keys(&self, now: Timestamp) -> Result<ServiceAccountKeys, SourceFailure> {
        let url = match &self.cluster.keys {
            KeysFrom::File(path) => return self.keys_of_file(path),
            KeysFrom::Url(url) => url.clone(),
            KeysFrom::Discovery => self.discover(now).await?,
        };
        let answer = self.get(url, ServiceAccountKeys::MAX_BYTES, now).await?;
        ServiceAccountKeys::parse(&answer.body)
            .map_err(|_| self.malformed("a JSON Web Key Set of RSA and P-256 keys"))
    }

    /// 1. and the address for 2.
    async fn discover(&self, now: Timestamp) -> Result<Url, SourceFailure> {
        let issuer = &self.cluster.issuer;
        let base = issuer.trim_end_matches('/');
        let url = Url::parse(&format!("{base}/.well-known/openid-configuration"))
            .map_err(|_| self.malformed("an issuer that makes a URL"))?;
        let answer = self.get(url.clone(), MAX_DISCOVERY_BYTES, now).await?;
        let raw: RawDiscovery = json::read(&answer.body)
            .ok_or_else(|| self.malformed("a JSON object with `issuer` and `jwks_uri`"))?;
        if raw.issuer != *issuer {
            return Err(lasting(
                SourceKind::Cluster,
                Code::ClusterIssuerMismatch,
                format!(
                    "{}: its document is that of `{}`",
                    self.sentence(),
                    quoted(&raw.issuer, MOST_QUOTED)
                ),
                "write the issuer in the policy exactly as the cluster does, with its slash at the end",
            ));
        }
        let keys = Url::parse(&raw.jwks_uri)
            .map_err(|_| self.malformed("a JSON object with `issuer` and `jwks_uri`"))?;
        match keys.origin() == url.origin() {
            true => Ok(keys),
            false => Err(lasting(
                SourceKind::Cluster,
                Code::ClusterKeysElsewhere,
                format!(
                    "{}: its keys are said to be at `{}`, on another host",
                    self.sentence(),
                    quoted(keys.as_str(), MOST_QUOTED)
                ),
                "if that is right, the operator can state it as `jwks_uri` of this cluster in the server's \
                 configuration",
            )),
        }
    }

    async fn get(
        &self,
        url: Url,
        limit_bytes: usize,
        now: Timestamp,
    ) -> Result<Answer, SourceFailure> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let call = Call {
            method: Method::GET,
            url,
            headers,
            body: Bytes::new(),
            limit_bytes,
        };
        let answer = self.cluster.http.exchange(&call).await;
        let answer = answer.map_err(|error| {
            let host = self.cluster.host();
            CLUSTER.failure(&self.sentence(), &host, &error)
        })?;
        match answer.status {
            StatusCode::OK => Ok(answer),
            _ => Err(self.refusal(&answer, now)),
        }
    }

    fn refusal(&self, answer: &Answer, now: Timestamp) -> SourceFailure {
        let status = answer.status.as_u16();
        let what = format!("{}: it refused (HTTP {status})", self.sentence());
        let kind = SourceKind::Cluster;
        match status {
            401 | 403 => lasting(
                kind,
                Code::ClusterAccessDenied,
                what,
                "let everyone read the cluster's discovery document: bind the role \
                 `system:service-account-issuer-discovery` to the group `system:unauthenticated`, or give the operator the \
                 keys as a file",
            ),
            404 => lasting(
                kind,
                Code::ClusterNotFound,
                what,
                "check `issuer` in the policy; for AKS, that the cluster still exists and has its OIDC issuer enabled",
            ),
            429 | 500.. => passing(
                kind,
                Code::ClusterUnavailable,
                what,
                "try again later",
                answer.retry_after(now),
            ),
            _ => lasting(
                kind,
                Code::ClusterRefused,
                what,
                "check `issuer` in the policy",
            ),
        }
    }

    fn keys_of_file(&self, path: &Path) -> Result<ServiceAccountKeys, SourceFailure> {
        let unusable = |why: &str| {
            lasting(
                SourceKind::Cluster,
                Code::ClusterFileUnusable,
                format!("{}: `{}` {why}", self.sentence(), path.display()),
                "the operator should put the cluster's key document there: `kubectl get --raw /openid/v1/jwks`",
            )
        };
        let mut bytes = Vec::new();
        let limit = u64::try_from(ServiceAccountKeys::MAX_BYTES).unwrap_or(u64::MAX);
        let read = std::fs::File::open(path)
            .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes));
        read.map_err(|_| unusable("cannot be read"))?;
        ServiceAccountKeys::parse(&bytes)
            .map_err(|_| unusable("is no JSON Web Key Set of at most 256 KiB"))
    }

    fn sentence(&self) -> String {
        let issuer = quoted(&self.cluster.issuer, MOST_QUOTED);
        format!("asked the cluster `{issuer}` for its keys")
    }

    fn malformed(&self, expected: &str) -> SourceFailure {
        CLUSTER.malformed(&self.sentence(), &self.cluster.host(), expected)
    }
}

/// The discovery document as it stands on the wire.
#[derive(Deserialize)]
struct RawDiscovery {
    issuer: String,
    jwks_uri: String,
}

const MAX_DISCOVERY_BYTES: usize = 64 * 1024;
/// Clusters whose keys are kept; a document has 256 KiB at most, and 1 KiB as a rule.
const MAX_CACHED_CLUSTERS: usize = 256;
const MOST_QUOTED: usize = 230;
