//! Of several devices, the one that holds the key of a certificate. Known without a PIN, or not at all.

use super::Fitting;
use crate::device::call::CallError;
use crate::device::objects;
use crate::device::present::Device;
use crate::device::session::Session;
use crate::error::Error;
use crate::signature::PublicKey;
use crate::uri::{ObjectType, Uri};

/// A certificate that somebody named, which chooses the key and the device.
#[derive(Clone, Debug)]
pub enum NamedCertificate {
    /// It has one of these public keys: those of a file.
    InFile(Vec<PublicKey>),
    /// On one of the devices.
    OnDevice(Box<Uri>),
}

/// Keeps the devices that hold the key of the certificate, if any does, and there is no other one that shows nothing to
/// anybody and may hold it too.
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
    // What a certificate's URI says of id and label is the certificate's; the key may have others.
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
