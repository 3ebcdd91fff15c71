//! Of several devices, finds the one that holds a certificate's key. It is known without a PIN, or not at
//! all.

use super::Fitting;
use crate::device::call::CallError;
use crate::device::objects;
use crate::device::present::Device;
use crate::device::session::Session;
use crate::error::Error;
use crate::signature::PublicKey;
use crate::uri::{ObjectType, Uri};

/// A certificate that the user named, which decides the key and the device.
#[derive(Clone, Debug)]
pub enum NamedCertificate {
    /// A certificate in a file, with one of these public keys.
    InFile(Vec<PublicKey>),
    /// A certificate on one of the devices.
    OnDevice(Box<Uri>),
}

/// Keeps only the devices that hold the certificate's key. Keeps all if none does, or if another device that
/// shows nothing to anyone may hold it too.
pub(super) fn keep_holders(
    shown: &mut Vec<Fitting>,
    key: &Uri,
    certificate: &NamedCertificate,
) -> Result<(), Error> {
    let of_each = |look: &dyn Fn(&Session) -> Result<Vec<PublicKey>, CallError>| {
        let of = |fitting: &Fitting| public_keys(&fitting.device, look);
        shown.iter().map(of).collect::<Result<Vec<_>, _>>()
    };
    let certified = match certificate {
        NamedCertificate::InFile(public_keys) => public_keys.clone(),
        NamedCertificate::OnDevice(uri) => of_each(&|session| {
            let found = objects::certificates(session, uri)?.into_iter();
            Ok(found.filter_map(|found| Some(found.certificate.ok()?.public_key().clone())).collect())
        })?
        .concat(),
    };
    // The id and label in a certificate's URI are the certificate's; the key may have others.
    let key = match key.object_type {
        Some(ObjectType::Certificate) => Uri::default(),
        _ => key.clone(),
    };
    let keys = of_each(&|session| {
        let private = objects::private_keys(session, &key)?.into_iter().map(|key| key.facts.public_key);
        let public = objects::public_keys(session, &key)?.into_iter().map(|key| key.key);
        Ok(private.chain(public).flatten().collect())
    })?;
    let holds: Vec<bool> = keys.iter().map(|keys| keys.iter().any(|key| certified.contains(key))).collect();
    if !holds.contains(&true) {
        return Ok(());
    }
    for (fitting, _) in shown.iter().zip(&holds).filter(|(_, holds)| !**holds) {
        if shows_nothing(&fitting.device)? {
            return Ok(());
        }
    }
    let mut holds = holds.into_iter();
    shown.retain(|_| holds.next().unwrap_or_default());
    Ok(())
}

fn public_keys(
    device: &Device,
    look: &dyn Fn(&Session) -> Result<Vec<PublicKey>, CallError>,
) -> Result<Vec<PublicKey>, Error> {
    let found = device.open_session().and_then(|session| look(&session));
    found.map_err(|error| device.failure(error).into())
}

fn shows_nothing(device: &Device) -> Result<bool, Error> {
    let shows = device.open_session().and_then(|session| objects::any(&session));
    Ok(device.pin_state().login_required && !shows.map_err(|error| device.failure(error))?)
}
