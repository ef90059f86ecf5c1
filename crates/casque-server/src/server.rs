//! One running server: composed, bound, served, stopped.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use casque_appraise::TrustAnchors;
use casque_azure::{Azure, AzureSettings, CloudSettingsError, ClusterSettingsError, Clusters};
use casque_core::{Casque, ChallengeKey, Clock as _, Limits};
use casque_endorse::{EndorserSetupError, Endorsers};
use casque_remote::{Remote, RemoteSetupError};
use casque_secrets::{IdentityKey, SessionEncryptionKey, SessionEncryptionKeyError};
use casque_store::{OpenError, SqliteStore, StoreSettings};
use casque_types::{KeyHash, Seconds};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::config::Config;
use crate::identity::{self, IdentityFileError};
use crate::limits::RequestLimits;
use crate::listener::Listener;
use crate::metrics::Metrics;
use crate::openapi::document;
use crate::ports::{ServerPorts, SystemClock, SystemRng};
use crate::routes::{Routes, operations, router};
use crate::tls::{self, TlsError};

/// A server that is bound and ready to serve.
pub struct Server {
    listener: Listener,
    address: SocketAddr,
    routes: Arc<Routes>,
}

impl Server {
    /// Opens the store, loads or makes the identity, binds the socket. Serves nothing yet.
    ///
    /// `anchors` are the roots that evidence is judged under: the vendors' own in production.
    ///
    /// # Errors
    /// [`StartError`]; nothing is listening then.
    pub async fn start(config: &Config, anchors: TrustAnchors) -> Result<Self, StartError> {
        let rng = SystemRng::default();
        let store = SqliteStore::open(store_settings(config), Arc::new(rng.clone()))?;
        let identity = identity::load_or_make(&config.state_directory.join("identity.key"))?;
        let identity = Arc::new(identity);
        let tls = tls::server_config(&identity, &config.dns_names, SystemClock.now(), &rng)?;
        let ports = ports(config, store, &identity, &anchors, rng)?;
        let endorsers = Arc::clone(&ports.endorsements);
        let casque = Casque::new(
            ports,
            Arc::clone(&identity),
            challenge_key(&identity),
            anchors,
            limits(config),
        );
        let metrics = Arc::new(Metrics::new(move || endorsers.counts()));
        let routes = Arc::new(Routes {
            session_key: SessionEncryptionKey::of_identity(&identity)?,
            casque: Arc::new(casque),
            metrics: Arc::clone(&metrics),
            document: document(&operations()),
        });
        let bind = |source| StartError::Bind {
            address: config.listen,
            source,
        };
        let socket = TcpListener::bind(config.listen).await.map_err(bind)?;
        let address = socket.local_addr().map_err(bind)?;
        let request_limits = RequestLimits::new(
            config.limits.requests,
            Duration::from_secs(config.limits.request_s),
        );
        let listener = Listener {
            socket,
            tls: TlsAcceptor::from(tls),
            router: router(Arc::clone(&routes), request_limits),
            metrics,
            connections: config.limits.connections,
            handshake: Duration::from_secs(config.limits.handshake_s),
        };
        Ok(Self {
            listener,
            address,
            routes,
        })
    }

    /// The address that it listens on, with the port that it got.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key hash of its identity: what clients pin.
    #[must_use]
    pub fn key_hash(&self) -> KeyHash {
        *self.routes.casque.identity().key_hash()
    }

    /// The use cases that it serves, for a program that hosts it.
    #[must_use]
    pub fn casque(&self) -> Arc<Casque<ServerPorts>> {
        Arc::clone(&self.routes.casque)
    }

    /// Serves until `stop` is done, then lets requests in work finish.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        let stop = async {
            stop.await;
            stopping.send_replace(true);
        };
        futures_util::future::join(self.listener.run(stopped), stop).await;
    }
}

/// The OpenAPI 3.1 document of a server's REST interface, as `GET /v1/openapi.json` answers it, for people to
/// read.
///
/// # Errors
/// It could not be written: a defect.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    document(&operations()).to_pretty_json()
}

fn store_settings(config: &Config) -> StoreSettings {
    let root_key_file = config.root_key_file.clone();
    StoreSettings {
        directory: config.state_directory.clone(),
        root_key_file: root_key_file.unwrap_or_else(|| config.state_directory.join("root.key")),
    }
}

fn ports(
    config: &Config,
    store: SqliteStore,
    identity: &IdentityKey,
    anchors: &TrustAnchors,
    rng: SystemRng,
) -> Result<ServerPorts, StartError> {
    let azure = Azure::new(
        AzureSettings {
            clouds: config.azure.clouds.clone(),
            default_cloud: config.azure.default_cloud.clone(),
        },
        Arc::new(rng.clone()),
    )?;
    let cache = config.state_directory.join("endorsements");
    let endorsements = Endorsers::new(&config.endorsements.settings(cache), anchors)?;
    let endorsements = Arc::new(endorsements);
    let clusters = Clusters::new(config.kubernetes.clusters.clone())?;
    // Other CASes look at its key alone; its name is for people who look at their connections.
    let certificate = identity.certificate("casque", &[], SystemClock.now(), &rng);
    let certificate = certificate.map_err(TlsError::from)?;
    let permitted = config.remote.addresses.iter();
    let permitted = permitted.map(|listed| listed.0.clone());
    let remote = Remote::new(certificate, identity.pkcs8(), permitted)?;
    Ok(ServerPorts {
        store,
        azure,
        endorsements,
        clusters,
        remote,
        clock: SystemClock,
        rng,
    })
}

/// The key of the nonces follows from the identity, so that every replica of a server redeems the nonces of
/// every other.
fn challenge_key(identity: &IdentityKey) -> ChallengeKey {
    // the private key is the one secret that all replicas share; only its digest leaves this function
    let key = hmac::Key::new(hmac::HMAC_SHA256, identity.pkcs8().expose());
    let tag = hmac::sign(&key, b"casque-challenge-1");
    let mut bytes = [0_u8; 32];
    bytes.copy_from_slice(tag.as_ref());
    ChallengeKey::new(&bytes)
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        nonce_life: Seconds(limits.nonce_s),
        cached_policies: limits.cached_policies,
        refresh_after: Seconds(limits.refresh_s),
        clock_skew: Seconds(limits.clock_skew_s),
    }
}

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error("cannot open the store")]
    Store(#[from] OpenError),
    /// There is no identity.
    #[error("cannot load the server's identity")]
    Identity(#[from] IdentityFileError),
    /// There is no key that sessions are encrypted to.
    #[error("cannot derive the key that sessions are encrypted to")]
    SessionKey(#[from] SessionEncryptionKeyError),
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
    /// A cloud is not usable.
    #[error("cannot set up the Azure clouds")]
    Azure(#[from] CloudSettingsError),
    /// A Kubernetes cluster is not usable.
    #[error("cannot set up the Kubernetes clusters")]
    Clusters(#[from] ClusterSettingsError),
    /// Other CASes cannot be asked.
    #[error("cannot set up asking other CASes")]
    Remote(#[from] RemoteSetupError),
    /// The endorsement source is not usable.
    #[error("cannot set up the source of endorsements")]
    Endorser(#[from] EndorserSetupError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: is another server running there?")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
