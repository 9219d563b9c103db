//! Which snapshots go into which averages.

use std::collections::BTreeSet;

use super::coefficients::fit;
use super::error::PosthocError;
use crate::train::outdir::Outdir;
use crate::train::profile::{MAX_SIGMA_REL, Profile, sigma_rel_to_gamma};
use crate::train::snapshots::{Snapshot, reconstructed_name};

/// An average further off than this is another one: a single snapshot at σ_rel 0.250 is off by all of the profile. Eight
/// pairs of snapshots express 0.010 to within 53 %, 0.030 to within 10 %, forty-eight of the last of a published training
/// both to within 1 %.
const MAX_MISFIT: f64 = 0.9;

/// An average to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// σ_rel.
    pub sigma_rel: f64,
    /// Its file's name.
    pub name: String,
    /// How much each input counts, in their order.
    pub coefficients: Vec<f64>,
    /// ‖Σ xᵢpᵢ − p‖ / ‖p‖.
    pub misfit: f64,
}

/// Averages to be made of one time's snapshots and all before them.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconstruction {
    /// In the order of time and width.
    pub inputs: Vec<Snapshot>,
    /// Images seen at the time of the outputs.
    pub images: u64,
    pub outputs: Vec<Output>,
}

impl Reconstruction {
    /// Averages of the widths `sigma_rels` at `kimg`, or at the last time there is, of the snapshots that lie in `place`.
    ///
    /// # Errors
    /// A place without snapshots, with some of several nets or with gaps; a time that is none of theirs; a width that is
    /// none, or that they cannot express.
    pub fn plan(place: &dyn Outdir, sigma_rels: &[f64], kimg: Option<u64>) -> Result<Self, PosthocError> {
        let usable = |sigma_rel: f64| sigma_rel > 0.0 && sigma_rel < MAX_SIGMA_REL;
        if let Some(&sigma_rel) = sigma_rels.iter().find(|&&sigma_rel| !usable(sigma_rel)) {
            return Err(PosthocError::Width { sigma_rel });
        }
        let (inputs, at) = inputs(place, kimg)?;
        let profiles: Vec<Profile> = inputs.iter().map(profile).collect();
        let output = |&sigma_rel: &f64| output(&profiles, at, sigma_rel);
        let outputs = sigma_rels.iter().map(output).collect::<Result<_, _>>()?;
        Ok(Self { inputs, images: at.1, outputs })
    }

    /// The averages that were stored at `kimg`, or at the last time there is, each out of all the others: an output for each,
    /// in the order of the widths, called as the one that it is to equal, in which that one counts nothing.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub fn check(place: &dyn Outdir, kimg: Option<u64>) -> Result<Self, PosthocError> {
        let (inputs, at) = inputs(place, kimg)?;
        let stored = inputs.iter().enumerate().filter(|(_, snapshot)| snapshot.images == at.1);
        let output = |(left_out, snapshot): (usize, &Snapshot)| {
            let mut profiles: Vec<Profile> = inputs.iter().map(profile).collect();
            profiles.remove(left_out);
            let mut output = output(&profiles, at, snapshot.sigma_rel)?;
            output.coefficients.insert(left_out, 0.0);
            Ok(Output { name: snapshot.name.clone(), ..output })
        };
        let outputs = stored.map(output).collect::<Result<_, PosthocError>>()?;
        Ok(Self { images: at.1, outputs, inputs: inputs.clone() })
    }
}

/// The snapshots until `kimg` or the last time there is, and that time: kimg, images.
fn inputs(place: &dyn Outdir, kimg: Option<u64>) -> Result<(Vec<Snapshot>, (u64, u64)), PosthocError> {
    let mut inputs = found(place)?;
    // What no image was seen for is the start, not an average.
    inputs.retain(|snapshot| snapshot.images > 0);
    let last = inputs.last().ok_or_else(|| PosthocError::Empty(place.place("")))?;
    let kimg = kimg.unwrap_or(last.kimg);
    let times: BTreeSet<u64> = inputs.iter().map(|snapshot| snapshot.kimg).collect();
    let Some(images) = inputs.iter().find(|snapshot| snapshot.kimg == kimg).map(|snapshot| snapshot.images)
    else {
        let found: Vec<String> = times.iter().map(|kimg| format!("`{kimg}`")).collect();
        return Err(PosthocError::NoSuchTime { kimg, found: found.join(", ") });
    };
    inputs.retain(|snapshot| snapshot.images <= images);
    complete(place, &inputs)?;
    Ok((inputs, (kimg, images)))
}

fn profile(snapshot: &Snapshot) -> Profile {
    Profile { images: snapshot.images as f64, gamma: sigma_rel_to_gamma(snapshot.sigma_rel) }
}

fn output(profiles: &[Profile], (kimg, images): (u64, u64), sigma_rel: f64) -> Result<Output, PosthocError> {
    let count = profiles.len();
    let wanted = Profile { images: images as f64, gamma: sigma_rel_to_gamma(sigma_rel) };
    let fit = fit(profiles, &wanted).ok_or(PosthocError::Singular { count })?;
    if fit.misfit > MAX_MISFIT {
        return Err(PosthocError::Misfit { sigma_rel, count, misfit: fit.misfit });
    }
    let name = reconstructed_name(kimg, sigma_rel);
    Ok(Output { sigma_rel, name, coefficients: fit.coefficients, misfit: fit.misfit })
}

/// All snapshots of a place, in the order of time and width.
fn found(place: &dyn Outdir) -> Result<Vec<Snapshot>, PosthocError> {
    let mut snapshots = Snapshot::all(place)?;
    snapshots.sort_by(|a, b| a.images.cmp(&b.images).then(a.sigma_rel.total_cmp(&b.sigma_rel)));
    if let Some(other) = snapshots.iter().find(|snapshot| snapshot.prefix != snapshots[0].prefix) {
        let (one, other) = (snapshots[0].prefix.clone(), other.prefix.clone());
        return Err(PosthocError::Prefixes { folder: place.place(""), one, other });
    }
    let same =
        |pair: &&[Snapshot]| pair[0].images == pair[1].images && pair[0].sigma_rel == pair[1].sigma_rel;
    if let Some([one, other]) = snapshots.windows(2).find(same) {
        return Err(PosthocError::Twice { one: place.place(&one.name), other: place.place(&other.name) });
    }
    Ok(snapshots)
}

/// Each time must have an average of each width.
fn complete(place: &dyn Outdir, snapshots: &[Snapshot]) -> Result<(), PosthocError> {
    let mut widths: Vec<f64> = snapshots.iter().map(|snapshot| snapshot.sigma_rel).collect();
    widths.sort_by(f64::total_cmp);
    widths.dedup();
    for at in snapshots {
        for &width in &widths {
            if !snapshots.iter().any(|s| s.images == at.images && s.sigma_rel == width) {
                let name = at.sibling(at.kimg, width);
                return Err(PosthocError::Lacking { folder: place.place(""), name });
            }
        }
    }
    Ok(())
}
