//! The certificate that is presented to AWS: finding it, and checking it as AWS would before anything is signed.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::certificate::{Certificate, Flaw, chain_of, identity_of};
use crate::certificate_file;
use crate::device::{Chosen, Device, NamedCertificate, SigningKey, StoredCertificate};
use crate::error::{Error, Exit, Explain};
use crate::rolesanywhere::{Algorithm, Identity};
use crate::signature::PublicKey;
use crate::uri::{ObjectType, Uri};

/// Renewing a certificate takes people some days.
const SOON: Duration = Duration::from_secs(30 * 86_400);

/// Where the certificate is.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// In a file.
    File {
        /// The file, PEM or DER.
        path: PathBuf,
        /// A file with the certificates above it.
        intermediates: Option<PathBuf>,
    },
    /// On the device.
    OnDevice {
        /// The URI that names it; by default the key's own.
        named: Option<Box<Uri>>,
        /// A file with the certificates above it.
        intermediates: Option<PathBuf>,
    },
}

/// A certificate with those above it, as AWS receives them: without the root.
#[derive(Clone, Debug)]
pub struct CertificateChain {
    /// The certificate of the key.
    pub leaf: Certificate,
    /// Those above it, from the leaf's issuer upward.
    pub above: Vec<Certificate>,
}

/// The certificates that come into question before the key is known.
#[derive(Clone, Debug)]
pub struct CertificateCandidates {
    leaves: Vec<Certificate>,
    pool: Vec<Certificate>,
    place: String,
    /// Whether the key's own certificate is sought on the device.
    is_on_device: bool,
    /// Whether the device may show more after login.
    is_incomplete: bool,
}

impl CertificateSource {
    /// What is known about it before a device is chosen: of several devices, the one with its key is meant.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub fn named(&self) -> Result<Option<NamedCertificate>, Error> {
        Ok(match self {
            CertificateSource::File { path, .. } => {
                let found = certificate_file::read(path)?;
                let keys = found.iter().map(|certificate| certificate.public_key().clone());
                Some(NamedCertificate::InFile(keys.collect()))
            }
            CertificateSource::OnDevice { named, .. } => {
                named.clone().filter(|uri| uri.names_object()).map(NamedCertificate::OnDevice)
            }
        })
    }

    /// Reads all certificates that come into question: the files again each time, since certificates are
    /// renewed while a server runs.
    ///
    /// # Errors
    /// A file or the device cannot be read, or a file holds no certificate.
    pub fn read(&self, chosen: &Chosen) -> Result<CertificateCandidates, Error> {
        let candidates = self.read_from(&chosen.device, &|uri| chosen.certificates(uri))?;
        let is_incomplete = chosen.hides_certificates()?;
        Ok(CertificateCandidates { is_incomplete, ..candidates })
    }

    /// The same after the login: the device may have hidden some before.
    ///
    /// # Errors
    /// As [`CertificateSource::read`].
    pub fn read_after_login(
        &self,
        before: CertificateCandidates,
        key: &SigningKey,
    ) -> Result<CertificateCandidates, Error> {
        if !before.is_incomplete {
            return Ok(before);
        }
        self.read_from(key.device(), &|uri| key.certificates_of(uri))
    }

    fn read_from(
        &self,
        device: &Device,
        stored: &dyn Fn(&Uri) -> Result<Vec<StoredCertificate>, Error>,
    ) -> Result<CertificateCandidates, Error> {
        let on_device = |uri: &Uri| -> Result<Vec<Certificate>, Error> {
            Ok(stored(uri)?.into_iter().map(|stored| stored.certificate).collect())
        };
        let everything = on_device(&Uri::default())?;
        let (leaves, mut pool, intermediates, place) = match self {
            CertificateSource::File { path, intermediates } => {
                let found = certificate_file::read(path)?;
                (found.clone(), [found, everything].concat(), intermediates, format!("{path:?}"))
            }
            CertificateSource::OnDevice { named, intermediates } => {
                let place = device.describe();
                let named = named.as_ref().filter(|uri| {
                    uri.names_object() && uri.object_type.is_none_or(|kind| kind == ObjectType::Certificate)
                });
                let leaves = match named {
                    Some(uri) => on_device(uri)?,
                    None => everything.clone(),
                };
                (leaves, everything, intermediates, place)
            }
        };
        if let Some(path) = intermediates {
            pool.extend(certificate_file::read(path)?);
        }
        let is_on_device = matches!(self, CertificateSource::OnDevice { .. });
        Ok(CertificateCandidates { leaves, pool, place, is_on_device, is_incomplete: false })
    }
}

impl CertificateCandidates {
    /// Checks that AWS would accept the chain of the key's certificate, as far as the device shows it before
    /// login.
    ///
    /// # Errors
    /// As [`CertificateCandidates::chain_of_key`] and [`CertificateChain::identity`].
    pub fn check_shown(&self, key: Option<&PublicKey>, now: SystemTime) -> Result<(), Error> {
        match self.chain_of_key(key, now) {
            Err(UnfitCertificate::NotFound { .. }) if self.may_show_after_login() => Ok(()),
            chain => chain?.identity().map(drop),
        }
    }

    /// Whether the key's own certificate may become visible only after login.
    pub fn may_show_after_login(&self) -> bool {
        self.is_on_device && self.is_incomplete
    }

    /// The chain of the key's certificate, which AWS would accept; while the device hides the key, the chain
    /// of any certificate.
    ///
    /// # Errors
    /// [`UnfitCertificate`]: there is none, or AWS would refuse it.
    pub fn chain_of_key(
        &self,
        key: Option<&PublicKey>,
        now: SystemTime,
    ) -> Result<CertificateChain, UnfitCertificate> {
        let leaf = self.leaf_of_key(key, now)?.clone();
        let flaws = leaf.flaws(now);
        if !flaws.is_empty() {
            return Err(UnfitCertificate::Unfit {
                subject: leaf.subject(),
                place: self.place.clone(),
                flaws,
            });
        }
        // AWS knows the root as the trust anchor.
        let above = chain_of(&leaf, &self.pool, now);
        let above = above.into_iter().filter(|above| !above.is_self_issued()).collect();
        Ok(CertificateChain { leaf, above })
    }

    /// The public keys of all certificates that come into question: of several keys the certificate chooses
    /// one.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        self.leaves.iter().map(|leaf| leaf.public_key().clone()).collect()
    }

    /// The key's certificate, whether AWS would accept it or not.
    ///
    /// # Errors
    /// [`UnfitCertificate::NotFound`].
    pub fn leaf_of_key(
        &self,
        key: Option<&PublicKey>,
        now: SystemTime,
    ) -> Result<&Certificate, UnfitCertificate> {
        identity_of(key, &self.leaves, now).ok_or_else(|| UnfitCertificate::NotFound {
            place: self.place.clone(),
            there: self.leaves.iter().map(Certificate::subject).collect(),
        })
    }
}

impl CertificateChain {
    /// The part of it that a request contains.
    ///
    /// # Errors
    /// [`crate::rolesanywhere::IdentityError`]: AWS accepts no such chain.
    pub fn identity(&self) -> Result<Identity, Error> {
        let above = self.above.iter().map(|certificate| certificate.der().to_vec()).collect();
        let algorithm = Algorithm::of(self.leaf.public_key());
        let serial = self.leaf.serial_decimal();
        Ok(Identity::new(algorithm, &serial, self.leaf.der().to_vec(), above)?)
    }

    /// Those above the leaf that are not valid, and that no valid one could replace.
    pub fn not_valid(&self, now: SystemTime) -> impl Iterator<Item = &Certificate> {
        self.above.iter().filter(move |certificate| !certificate.is_valid_at(now))
    }

    /// Those that expire within 30 days, with the time that is left.
    pub fn ending_soon(&self, now: SystemTime) -> impl Iterator<Item = (&Certificate, Duration)> {
        let valid = std::iter::once(&self.leaf).chain(&self.above);
        let valid = valid.filter(move |certificate| certificate.is_valid_at(now));
        valid.filter_map(move |certificate| {
            let left = certificate.not_after().duration_since(now).unwrap_or_default();
            (left < SOON).then_some((certificate, left))
        })
    }
}

/// There is no certificate that AWS would accept.
#[derive(Debug, thiserror::Error)]
pub enum UnfitCertificate {
    /// No certificate has the key's public key.
    #[error("{place} has no certificate for the key")]
    NotFound {
        /// The file or the device.
        place: String,
        /// The subjects of the certificates there.
        there: Vec<String>,
    },
    /// The key's certificate is unsuitable.
    #[error("AWS would refuse the certificate {subject:?} of {place}: {}", in_one_line(flaws))]
    Unfit {
        /// Its subject.
        subject: String,
        /// The file or the device.
        place: String,
        /// Each reason for which AWS would refuse it.
        flaws: Vec<Flaw>,
    },
}

impl Explain for UnfitCertificate {
    fn exit(&self) -> Exit {
        Exit::Key
    }

    fn detail(&self) -> Vec<String> {
        match self {
            UnfitCertificate::NotFound { there, .. } => {
                there.iter().map(|subject| format!("there is: {subject}")).collect()
            }
            UnfitCertificate::Unfit { .. } => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            UnfitCertificate::NotFound { .. } => {
                "--certificate names a file or a pkcs11: URI; countersign list shows what is on the device"
            }
            UnfitCertificate::Unfit { .. } => {
                "have a new one issued: countersign csr --key URI requests it; a CA may drop what was requested (openssl: \
                 -copy_extensions copy)"
            }
        };
        Some(hint.into())
    }
}

fn in_one_line(flaws: &[Flaw]) -> String {
    flaws.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
