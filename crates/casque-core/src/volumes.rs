//! Volumes of a service (spec/policy-language.md section 6): whose they are, their keys, and what may be done
//! to them.
//!
//! A volume that the policy gives no key gets one when it is first released: 32 random bytes, kept with the
//! policy whatever its version, the same for every replica. An imported volume has the exporter's key; the
//! importer may do no more with it than the exporter lets it.

use casque_policy::{
    Mount, OwnVolume, Service, Template, VolumeExport, VolumeImport, VolumeOrigin,
};
use casque_types::{
    ConfigurationVolume, Digest, FileSystemProtection, Rng as _, Secret, UpdatePolicy, VolumeFiles,
    VolumeName,
};
use zeroize::Zeroizing;

use crate::casque::LoadedPolicy;
use crate::fill::Nul;
use crate::resolve::{Context, Resolved, Source};
use crate::{
    AuditAction, AuditEvent, Casque, KeepError, KeptKey, Ports, ResolveError, Store as _,
    VolumeError,
};

/// The volumes of a service, and where the imported ones came from.
#[derive(Default)]
pub(crate) struct Mounted {
    pub(crate) volumes: Vec<ConfigurationVolume>,
    pub(crate) sources: Vec<Source>,
}

/// What its policy says of a volume, and what may be done to it.
struct Owned {
    key: Secret,
    tag: Option<Digest<16>>,
    files: VolumeFiles,
    at_most: UpdatePolicy,
}

impl<P: Ports> Casque<P> {
    /// The volumes that a service's image mounts.
    pub(crate) async fn volumes_of(
        &self,
        loaded: &LoadedPolicy,
        service: &Service,
        resolved: &Resolved,
        context: Context<'_>,
    ) -> Result<Mounted, (VolumeName, VolumeError)> {
        let image = loaded.policy.image_of(service);
        let mut mounted = Mounted::default();
        for mount in image.map_or(&[][..], |image| &image.mounts) {
            let owned = self.mounted(loaded, mount, resolved, &mut mounted.sources, context);
            let owned = owned.await.map_err(|cause| (mount.volume.clone(), cause))?;
            let wanted = mount.update_policy.unwrap_or_default();
            mounted.volumes.push(ConfigurationVolume {
                name: mount.volume.clone(),
                path: mount.path.clone(),
                key: owned.key,
                tag: owned.tag,
                update_policy: wanted.min(owned.at_most),
                files: owned.files,
            });
        }
        Ok(mounted)
    }

    async fn mounted(
        &self,
        loaded: &LoadedPolicy,
        mount: &Mount,
        resolved: &Resolved,
        sources: &mut Vec<Source>,
        context: Context<'_>,
    ) -> Result<Owned, VolumeError> {
        let volume = loaded.policy.volume(&mount.volume);
        let volume = volume.ok_or(VolumeError::Unknown)?;
        let own = match &volume.origin {
            VolumeOrigin::Import(import) => {
                return self.imported(loaded, import, sources, context).await;
            }
            VolumeOrigin::Own(own) => own,
        };
        let key = match &own.key {
            Some(template) => volume_key(&resolved.filled_key(template)?)?,
            None => self.kept_volume_key(loaded, &volume.name, context).await?,
        };
        Ok(Owned::new(own, key, UpdatePolicy::NoRollbackProtection))
    }

    /// The key that was made for a volume, or is made now.
    async fn kept_volume_key(
        &self,
        loaded: &LoadedPolicy,
        volume: &VolumeName,
        context: Context<'_>,
    ) -> Result<Secret, VolumeError> {
        let key: Result<KeptKey, _> = format!("volume-key/{volume}").parse();
        let key = key.map_err(|_| VolumeError::Unknown)?;
        let (store, name) = (self.ports.store(), &loaded.policy.name);
        if let Some(kept) = store.kept(name, &key).await? {
            return Ok(kept.value);
        }
        let mut made = Zeroizing::new(vec![0_u8; KEY_BYTES]);
        self.ports.rng().fill(&mut made)?;
        let made = Secret::from(made);
        let event = AuditEvent {
            at: context.now,
            action: AuditAction::VolumeKeyMade,
            subject: name.to_string(),
            policy: loaded.hash,
            caller: None,
            facts: vec![("volume", volume.to_string())],
        };
        // one copy to keep, one to release
        let kept = store.keep(name, &key, made.duplicate(), None, Some(event));
        match kept.await {
            Ok(_) => Ok(made),
            Err(KeepError::Store(error)) => Err(error.into()),
            // Another replica was faster: its key counts.
            Err(_) => {
                let kept = store.kept(name, &key).await?;
                kept.map(|kept| kept.value).ok_or(VolumeError::Unknown)
            }
        }
    }

    async fn imported(
        &self,
        loaded: &LoadedPolicy,
        import: &VolumeImport,
        sources: &mut Vec<Source>,
        context: Context<'_>,
    ) -> Result<Owned, VolumeError> {
        let exporter = self.pinned_policy(&import.session, import.hash).await?;
        let exporter = exporter.ok_or_else(|| not_exported(import))?;
        let volume = exporter.policy.volumes.iter().find_map(|volume| {
            let VolumeOrigin::Own(own) = &volume.origin else {
                return None;
            };
            let export = own.exports.iter().find(|export| {
                is_for(export, loaded)
                    && import.volume == *export.alias.as_ref().unwrap_or(&volume.name)
            })?;
            Some((volume, own, export))
        });
        let (volume, own, export) = volume.ok_or_else(|| not_exported(import))?;
        let context = context.deeper()?;
        let key = match &own.key {
            Some(template) => {
                let filled = self.filled(&exporter, template, context).await?;
                sources.extend(filled.sources);
                volume_key(&filled.text)?
            }
            None => {
                self.kept_volume_key(&exporter, &volume.name, context)
                    .await?
            }
        };
        let (session, name) = (&import.session, &volume.name);
        sources.push(Source::Volume(format!("{session}/{name}")));
        Ok(Owned::new(own, key, export.update_policy))
    }
}

impl Resolved {
    /// What the service's own file system is protected by, if anything.
    pub(crate) fn file_system_of(
        &self,
        service: &Service,
    ) -> Result<Option<FileSystemProtection>, VolumeError> {
        let Some(protection) = &service.file_protection else {
            return Ok(None);
        };
        let key = match &protection.key {
            None => None,
            Some(template) => Some(volume_key(&self.filled_key(template)?)?),
        };
        Ok(Some(FileSystemProtection {
            path: protection.path.clone(),
            key,
            tag: protection.tag,
        }))
    }

    fn filled_key(&self, template: &Template) -> Result<Secret, ResolveError> {
        self.fill(template, Nul::Allowed)
            .map_err(|(_, cause)| cause)
    }
}

impl Owned {
    const fn new(own: &OwnVolume, key: Secret, at_most: UpdatePolicy) -> Self {
        Self {
            key,
            tag: own.tag,
            files: own.files,
            at_most,
        }
    }
}

fn is_for(export: &VolumeExport, importer: &LoadedPolicy) -> bool {
    export.session == importer.policy.name
        && (export.hash.as_ref()).is_none_or(|hash| *hash == importer.hash)
}

fn not_exported(import: &VolumeImport) -> VolumeError {
    VolumeError::NotExported {
        policy: import.session.clone(),
        volume: import.volume.clone(),
    }
}

/// 32 bytes, or 64 hexadecimal digits that write them down.
fn volume_key(text: &Secret) -> Result<Secret, VolumeError> {
    if text.len() == KEY_BYTES {
        // A second owner: the filled template is dropped by its caller.
        return Ok(text.duplicate());
    }
    // Exposed to be decoded into a wiped buffer of its final size.
    let digits = text.expose();
    let is_hexadecimal = digits.iter().all(u8::is_ascii_hexdigit);
    if digits.len() != KEY_BYTES.saturating_mul(2) || !is_hexadecimal {
        return Err(VolumeError::Key);
    }
    let mut key = Zeroizing::new(Vec::with_capacity(KEY_BYTES));
    for pair in digits.chunks(2) {
        let pair = std::str::from_utf8(pair).map_err(|_| VolumeError::Key)?;
        key.push(u8::from_str_radix(pair, 16).map_err(|_| VolumeError::Key)?);
    }
    Ok(Secret::from(key))
}

const KEY_BYTES: usize = 32;
