//! The ports of the local Azure, and which service answers on which.

use std::path::Path;
use std::sync::Arc;

use axum::{Router, middleware};
use tokio::net::TcpListener;

use super::applications::ApplicationFiles;
use super::faults::{Faults, Service};
use super::tls::{bind, url_of};
use super::{
    Commands, Endpoints, Ports, Services, StartError, admin, entra, faults, imds, kds, maa, pccs,
    thim, vault,
};
use crate::seed::Seed;
use crate::tees::SoftwareTees;

/// All listeners, bound before any service is made: services name each other's addresses.
pub(super) struct Listeners {
    entra: TcpListener,
    vault: TcpListener,
    maa: TcpListener,
    imds: TcpListener,
    pccs: TcpListener,
    admin: TcpListener,
}

impl Listeners {
    pub(super) async fn bind(ports: Ports) -> Result<Self, StartError> {
        Ok(Self {
            entra: bind("the local Entra ID", ports.entra).await?,
            vault: bind("the local Key Vault", ports.vault).await?,
            maa: bind("the local MAA", ports.maa).await?,
            imds: bind("the local IMDS", ports.imds).await?,
            pccs: bind("the local PCCS", ports.pccs).await?,
            admin: bind("the fault switch", ports.admin).await?,
        })
    }

    pub(super) fn endpoints(
        &self,
        seed: &Seed,
        files: &ApplicationFiles,
        ca_file: &Path,
    ) -> Result<Endpoints, StartError> {
        let application = seed.entra.applications.first();
        let secret = application.and_then(|a| a.secrets.iter().find(|s| !s.expired));
        Ok(Endpoints {
            ca_file: ca_file.to_owned(),
            authority: url_of(&self.entra)?,
            tenant_id: seed.entra.tenant_id.clone(),
            client_id: application.map_or(String::new(), |a| a.client_id.clone()),
            client_secret: secret.map_or(String::new(), |s| s.value.clone()),
            client_key_file: files.key_file.clone(),
            client_certificate_file: files.certificate_file.clone(),
            client_thumbprint: files.thumbprint.clone(),
            vault: url_of(&self.vault)?,
            vault_resource: seed.vault.resource.clone(),
            maa: url_of(&self.maa)?,
            imds: url_of(&self.imds)?,
            pccs: url_of(&self.pccs)?,
            admin: url_of(&self.admin)?,
        })
    }

    /// Each listener with what it serves.
    pub(super) fn with_routers(
        self,
        seed: &Seed,
        services: &Arc<Services>,
        tees: Arc<SoftwareTees>,
        commands: Commands,
    ) -> Vec<(TcpListener, Router)> {
        let [of_entra, of_vault, of_maa, of_imds, of_pccs] = &services.faults;
        let identity = imds::Identity::new(seed, services.entra.clone(), of_imds.clone());
        let tcb = pccs::Documents::new(tees.clone(), of_pccs.clone());
        let platform = kds::Platform {
            snp: tees.snp.clone(),
            faults: of_pccs.clone(),
        };
        let endorsers = pccs::router(tcb).merge(kds::router(Arc::new(platform)));
        let machine = thim::Machine {
            tee: tees.intel.clone(),
            snp: tees.snp.clone(),
        };
        let imds = imds::router(identity).merge(thim::router(Arc::new(machine)));
        vec![
            (
                self.entra,
                faulty(entra::router(services.entra.clone()), of_entra),
            ),
            (
                self.vault,
                faulty(vault::router(services.vault.clone()), of_vault),
            ),
            (self.maa, faulty(maa::router(services.maa.clone()), of_maa)),
            (self.imds, faulty(imds, of_imds)),
            (self.pccs, faulty(endorsers, of_pccs)),
            (self.admin, admin::router(services.clone(), commands, tees)),
        ]
    }
}

fn faulty(router: Router, faults: &Arc<Faults>) -> Router {
    router.layer(middleware::from_fn_with_state(
        faults.clone(),
        faults::apply,
    ))
}

/// No faults yet, in the order of [`Service::ALL`].
pub(super) fn no_faults() -> [Arc<Faults>; 5] {
    Service::ALL.map(|service| Arc::new(Faults::new(service)))
}
