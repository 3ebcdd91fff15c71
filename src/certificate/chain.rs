//! The chain of a certificate: its issuer, the issuer's issuer, and so on.

use std::cell::Cell;
use std::collections::HashSet;
use std::time::SystemTime;

use super::Certificate;

/// Longer chains come from mistakes or malice.
const MAX_LEVEL: usize = 8;
/// How many signatures are checked for one chain, however many certificates of the same name somebody put
/// there. A genuine chain takes a dozen checks; this many take less than a second.
const MAX_CHECKS: usize = 2048;

/// A certificate above another.
pub(super) struct Link<'a> {
    pub(super) certificate: &'a Certificate,
    /// 1 for what signed the certificate at the bottom, 2 for what signed that.
    pub(super) level: usize,
    /// The link that this one signed; none at level 1.
    pub(super) below: Option<usize>,
    /// It signed itself: nothing is above it.
    is_root: bool,
}

/// The certificates above `leaf` in order, its issuer first, as far as they are in `pool`. Each link is a
/// signature that verifies. Of several chains, one through certificates that are valid at `now` is chosen; of
/// these the shortest to a root, which signed itself and comes last, otherwise the longest. A certificate
/// that is not valid then is used only where no valid one continues the chain.
pub fn chain_of(leaf: &Certificate, pool: &[Certificate], now: SystemTime) -> Vec<Certificate> {
    let (valid, others): (Vec<&Certificate>, Vec<_>) =
        pool.iter().partition(|certificate| certificate.is_valid_at(now));
    let mut chain = way_up(leaf, valid.iter().copied());
    let top = chain.last().unwrap_or(leaf).clone();
    if !top.is_signed_by(&top) {
        let is_below = |candidate: &Certificate| candidate == leaf || chain.contains(candidate);
        let left = valid.into_iter().chain(others).filter(|candidate| !is_below(candidate));
        let above = way_up(&top, left.collect::<Vec<_>>());
        chain.extend(above);
    }
    chain.truncate(MAX_LEVEL);
    chain
}

/// The same, whatever the certificates' dates.
pub fn chain_at_any_time(leaf: &Certificate, pool: &[Certificate]) -> Vec<Certificate> {
    way_up(leaf, pool)
}

fn way_up<'a>(leaf: &'a Certificate, pool: impl IntoIterator<Item = &'a Certificate>) -> Vec<Certificate> {
    let links = links_above(leaf, pool, |_, _| true);
    let highest = links.iter().map(|link| link.level).max();
    let end = links
        .iter()
        .position(|link| link.is_root)
        .or_else(|| links.iter().position(|link| link.certificate.is_self_issued()))
        .or_else(|| links.iter().position(|link| Some(link.level) == highest));
    let downwards = std::iter::successors(end, |at| links[*at].below);
    let mut chain: Vec<Certificate> = downwards.map(|at| links[at].certificate.clone()).collect();
    chain.reverse();
    chain
}

/// All certificates of `pool` that are above `leaf`: the lowest level first, and within a level in the order
/// of `pool`. `may_issue` says whether a certificate may stand at a level.
///
/// Each is looked at once, at its lowest level: a certificate that may stand at a level may also stand lower,
/// because a limit on a path's length only tightens upwards. So neither cycles nor many certificates of one
/// name take long.
pub(super) fn links_above<'a>(
    leaf: &'a Certificate,
    pool: impl IntoIterator<Item = &'a Certificate>,
    may_issue: impl Fn(&Certificate, usize) -> bool,
) -> Vec<Link<'a>> {
    let mut seen = HashSet::from([leaf.der()]);
    let mut left: Vec<&Certificate> =
        pool.into_iter().filter(|candidate| seen.insert(candidate.der())).collect();
    let checks = Cell::new(0);
    let signed = |certificate: &Certificate, by: &Certificate| {
        certificate.names_as_issuer(by) && checks.get() < MAX_CHECKS && {
            checks.set(checks.get() + 1);
            certificate.has_signature_of(by)
        }
    };
    let mut links: Vec<Link<'a>> = Vec::new();
    let (mut last, mut below, mut level, mut next) = (leaf, None, 1, 0);
    if signed(leaf, leaf) {
        return links;
    }
    loop {
        if level <= MAX_LEVEL && checks.get() < MAX_CHECKS {
            let mut others = Vec::new();
            for candidate in left {
                if may_issue(candidate, level) && signed(last, candidate) {
                    let is_root = signed(candidate, candidate);
                    links.push(Link { certificate: candidate, level, below, is_root });
                } else {
                    others.push(candidate);
                }
            }
            left = others;
        }
        // The next whose issuers are still to be found.
        while links.get(next).is_some_and(|link| link.is_root) {
            next += 1;
        }
        let Some(link) = links.get(next) else { return links };
        (last, below, level) = (link.certificate, Some(next), link.level + 1);
        next += 1;
    }
}
