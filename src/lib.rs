//! Signs for AWS CloudHSM and IAM Roles Anywhere with a private key that never leaves its PKCS#11 device.
//!
//! This library is the `countersign` program without its command line. It exists so that each layer can be tested and
//! fuzzed on its own. **It promises no API**: names and signatures change with the program, in any release. Depend on the
//! command line instead, which is a contract.
//!
//! # Layers
//!
//! A file imports only from the lines below its own. A test checks that, and that this drawing is true.
//!
//! ```text
//!   serving                                   credentials over HTTP, as the container endpoint and the metadata service
//!   credentials   signing                     obtain, cache and renew credentials   plan and run the signing of files
//!   rolesanywhere                             CreateSession: what is signed, what is sent, what the answer says
//!   device::provision   device::inventory     generate keys, import certificates   list what there is
//!   device                                    modules, devices, login, keys: the only folder that knows PKCS#11
//!   certificate_file                          certificates from files
//!   audit   certificate   pin   tokenfile     the audit log   X.509   PINs   CloudHSM's token files
//!   save   signature                          files, replaced whole   payloads, mechanisms, verification
//!   duration   environment   pem   printable   durations in words   variables of the process   PEM   text safe to print
//!   platform   uri                            what each operating system does differently   pkcs11: URIs
//!   error                                     exit codes, and errors that explain themselves
//! ```
//!
//! Data flows one way: arguments → URI → device → key → payload → signature → verified → file. [`uri`],
//! [`signature`], [`tokenfile`], [`certificate`] and all of `rolesanywhere` but its client are pure: bytes in, bytes out,
//! without a device, a file or a clock. Nothing above [`device`] sees a PKCS#11 handle.
//!
//! Without the feature `aws` (on by default) there is no `serving`, `credentials` or `rolesanywhere`, and nothing here
//! opens a network connection or a port.
//!
//! # Examples
//!
//! A URI names a key; what it does not mention matches anything:
//!
//! ```
//! use countersign::uri::{Device, Uri};
//!
//! let uri: Uri = "pkcs11:token=officer;id=%01?pin-value=1234".parse()?;
//! assert!(uri.matches_device(&Device { label: b"officer", manufacturer: b"", model: b"", serial: b"17" }));
//! // A PIN is never printed.
//! assert!(!uri.to_string().contains("1234"));
//! # Ok::<(), countersign::uri::UriError>(())
//! ```
//!
//! A token file says what is to be signed, and takes the signatures. Nothing else of its text changes:
//!
//! ```
//! use countersign::tokenfile::{Change, Signed, TokenFile};
//!
//! let text = include_bytes!("../tests/samples/aws-mfa-unsigned.json");
//! let file = TokenFile::parse(text)?;
//! // On a real run a device signs `token.payload`.
//! let signatures = vec![[0; 256]; file.tokens().len()];
//! let changes = signatures.iter().enumerate();
//! let signed = file.with(changes.map(|(token, signature)| Change::Signature { token, signature }));
//! let all = TokenFile::parse(&signed)?;
//! assert!(all.tokens().iter().all(|token| token.signed == Signed::Yes(vec![0; 256])));
//! # Ok::<(), countersign::tokenfile::TokenFileError>(())
//! ```
//!
//! A request for temporary credentials is signed with the key of a certificate:
//!
//! ```
//! # #[cfg(feature = "aws")]
//! # fn main() -> Result<(), countersign::error::Error> {
//! use countersign::certificate::certificates_from_pem;
//! use countersign::rolesanywhere::{
//!     Algorithm, CreateSession, Endpoint, EndpointVariant, Identity, Request, SigningTime,
//! };
//!
//! let session = CreateSession::new(
//!     "arn:aws:iam::123456789012:role/demo".parse()?,
//!     "arn:aws:rolesanywhere:us-east-1:123456789012:profile/11111111-2222-3333-4444-555555555555".parse()?,
//!     "arn:aws:rolesanywhere:us-east-1:123456789012:trust-anchor/66666666-7777-8888-9999-000000000000".parse()?,
//!     3600,
//!     None,
//! )?;
//! let certificate = certificates_from_pem(include_bytes!("../tests/samples/identities/k.pem"))?.remove(0);
//! let algorithm = Algorithm::of(certificate.public_key());
//! let identity =
//!     Identity::new(algorithm, &certificate.serial_decimal(), certificate.der().to_vec(), Vec::new())?;
//! let region = session.region();
//! let endpoint = Endpoint::in_region(&region, EndpointVariant::default());
//! let time = SigningTime::from_unix_seconds(1_772_326_923).expect("a time before the year 10000");
//! let request = Request::new(&session, &endpoint, &region, &identity, time);
//! // On a real run a device signs `request.payload()`.
//! let signed = request.sign_with(&[0; 256]);
//! assert_eq!(signed.url, "https://rolesanywhere.us-east-1.amazonaws.com/sessions");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "aws"))]
//! # fn main() {}
//! ```

pub mod audit;
pub mod certificate;
pub mod certificate_file;
#[cfg(feature = "aws")]
pub mod credentials;
pub mod device;
#[doc(hidden)]
pub mod duration;
#[doc(hidden)]
pub mod environment;
pub mod error;
mod pem;
pub mod pin;
#[doc(hidden)]
pub mod platform;
#[doc(hidden)]
pub mod printable;
#[cfg(feature = "aws")]
pub mod rolesanywhere;
pub mod save;
#[cfg(feature = "aws")]
pub mod serving;
pub mod signature;
pub mod signing;
pub mod tokenfile;
pub mod uri;
