//! From token files and a key to signed files: what is to be done with each file ([`Plan`]), how far a run has come
//! ([`Progress`]), what it did ([`RunRecord`], the audit log), and whether the signatures of a file count.
//!
//! Commands speak; this decides. It prints nothing, and knows the command line only as a [`SigningRequest`].

mod approver;
mod audit_trail;
mod destination;
pub mod detached;
mod error;
mod input;
mod plan;
mod progress;
mod quorum;
mod record;
mod request;
mod run;
mod verification;
mod waiting;

pub use approver::Approver;
pub use audit_trail::{AuditTrail, EarlyEnd};
pub use destination::Destination;
pub use error::{RequestError, Unsignable};
pub use input::{InFile, Input, Purpose, read_all};
pub use plan::Plan;
pub use progress::Progress;
pub use quorum::{ApprovalVerdict, QuorumCount, QuorumToken};
pub use record::{FileRecord, RunRecord};
pub use request::SigningRequest;
pub use run::{Observer, Run, Signed};
pub use verification::{SignatureFault, check_detached, check_signature};
pub use waiting::{Deadline, InTheWay, NotNew, TimedOut, refuse_old};

#[cfg(test)]
mod tests;
