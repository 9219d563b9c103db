//! Every metric there is: its id, what people call it, what it is computed from and what that costs. Command lines,
//! results and reports know metrics from here alone; Fréchet distances have their names from the contract.

use fidelis_contract::detectors;

/// A metric of a set of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Fréchet distance of Inception's features: see [`super::frechet`].
    Fid,
    /// Of DINOv2's.
    FdDinov2,
    /// Of any other detector's.
    Fd,
    /// See [`super::fid_infinity`].
    FidInfinity,
    /// See [`super::per_class`].
    FdPerClass,
    /// See [`super::kid`].
    Kid,
    /// See [`super::kid`].
    KidFull,
    /// See [`super::precision_recall`].
    Precision,
    /// See [`super::precision_recall`].
    Recall,
    /// See [`super::density_coverage`].
    Density,
    /// See [`super::density_coverage`].
    Coverage,
    /// See [`super::inception_score`].
    InceptionScore,
    /// See [`super::authenticity`].
    Authenticity,
    /// See [`super::duplicates`].
    Duplicates,
}

/// What a metric is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// mu and sigma; features will do.
    Statistics,
    /// Features of every image.
    Features,
    /// Features, and the class of every image.
    Labels,
    /// Features, and the last layer that makes class scores of them.
    Logits,
}

/// What the time a metric takes grows with: n images of D features on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// n D² + D³.
    Moments,
    /// n D times a constant.
    Images,
    /// n² D.
    Pairs,
}

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Distances.
    Lower,
    /// Shares and scores.
    Higher,
}

/// A line of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub metric: Metric,
    /// As results and command lines name it.
    pub id: &'static str,
    /// As people read it.
    pub label: &'static str,
    /// What must be known of the images that are measured.
    pub ours: Needs,
    /// What must be known of the reference.
    pub reference: Needs,
    /// What it costs.
    pub cost: Cost,
    /// Which way it is better.
    pub better: Better,
}

const fn entry(
    (metric, id, label): (Metric, &'static str, &'static str),
    (ours, reference): (Needs, Needs),
    cost: Cost,
    better: Better,
) -> Entry {
    Entry { metric, id, label, ours, reference, cost, better }
}

/// All metrics, in the order in which they are shown.
pub const METRICS: [Entry; 14] = {
    use Better::{Higher, Lower};
    use Metric::{
        Authenticity, Coverage, Density, Duplicates, Fd, FdDinov2, FdPerClass, Fid, FidInfinity,
        InceptionScore, Kid, KidFull, Precision, Recall,
    };
    use Needs::{Features, Labels, Logits, Nothing, Statistics};
    [
        entry((Fid, "fid", "FID"), (Statistics, Statistics), Cost::Moments, Lower),
        entry((FdDinov2, "fd_dinov2", "FD-DINOv2"), (Statistics, Statistics), Cost::Moments, Lower),
        entry((Fd, "fd", "FD"), (Statistics, Statistics), Cost::Moments, Lower),
        entry((FidInfinity, "fid-inf", "FID∞"), (Features, Statistics), Cost::Moments, Lower),
        entry((FdPerClass, "fd-per-class", "FD per class"), (Labels, Labels), Cost::Moments, Lower),
        entry((Kid, "kid", "KID"), (Features, Features), Cost::Images, Lower),
        entry((KidFull, "kid-full", "KID of all images"), (Features, Features), Cost::Pairs, Lower),
        entry((Precision, "precision", "precision"), (Features, Features), Cost::Pairs, Higher),
        entry((Recall, "recall", "recall"), (Features, Features), Cost::Pairs, Higher),
        entry((Density, "density", "density"), (Features, Features), Cost::Pairs, Higher),
        entry((Coverage, "coverage", "coverage"), (Features, Features), Cost::Pairs, Higher),
        entry((InceptionScore, "is", "Inception Score"), (Logits, Nothing), Cost::Images, Higher),
        entry((Authenticity, "authenticity", "authenticity"), (Features, Features), Cost::Pairs, Higher),
        entry((Duplicates, "duplicates", "duplicates"), (Features, Nothing), Cost::Pairs, Lower),
    ]
};

impl Metric {
    /// The one of this id.
    pub fn find(id: &str) -> Option<Self> {
        METRICS.iter().find(|entry| entry.id == id).map(|entry| entry.metric)
    }

    /// Its line of the registry.
    pub fn entry(self) -> &'static Entry {
        // Every metric has a line, in the enum's order: a test reads them.
        &METRICS[self as usize]
    }

    /// See [`Entry::id`].
    pub fn id(self) -> &'static str {
        self.entry().id
    }

    /// The Fréchet distance that it is, if it is one of all images.
    pub fn distance(self) -> Option<detectors::Metric> {
        detectors::Metric::find(self.id())
    }
}

/// All ids, for a refusal that says what there is: `a`, `b`.
pub fn known() -> String {
    METRICS.map(|entry| entry.id).join("`, `")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_line() {
        for (place, entry) in METRICS.iter().enumerate() {
            assert_eq!(entry.metric as usize, place, "{}", entry.id);
            assert_eq!(Metric::find(entry.id), Some(entry.metric));
            assert_eq!(entry.metric.entry(), entry);
        }
        let distances: Vec<&str> =
            METRICS.iter().filter_map(|entry| entry.metric.distance()).map(|d| d.id()).collect();
        assert_eq!(distances, detectors::Metric::ALL.map(detectors::Metric::id));
        for distance in detectors::Metric::ALL {
            assert_eq!(Metric::find(distance.id()).unwrap().entry().label, distance.label());
        }
    }
}
