//! The one table of detectors: whoever has to know one by its name looks here.

/// A Fréchet distance, by the detector whose features it compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Of Inception features, whichever way the images were resized.
    Fid,
    /// Of DINOv2 features.
    FdDinov2,
    /// Of any other detector's.
    Fd,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fid, Self::FdDinov2, Self::Fd];

    /// As results and command lines name it; for a distance that EDM2's `.pkl` holds statistics for, its section there.
    pub fn id(self) -> &'static str {
        match self {
            Self::Fid => "fid",
            Self::FdDinov2 => "fd_dinov2",
            Self::Fd => "fd",
        }
    }

    /// As people read it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Fid => "FID",
            Self::FdDinov2 => "FD-DINOv2",
            Self::Fd => "FD",
        }
    }

    /// The one of this id.
    pub fn find(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.id() == id)
    }

    /// The distance of a detector's features.
    pub fn of(detector: &str) -> Self {
        find(detector).map_or(Self::Fd, |detector| detector.metric)
    }

    /// The detector that its name stands for; [`Metric::Fd`] stands for none.
    pub fn detector(self) -> Option<&'static Detector> {
        DETECTORS.iter().find(|detector| detector.metric == self && self != Self::Fd)
    }
}

/// A detector that this build knows by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detector {
    /// As specs and command lines name it.
    pub name: &'static str,
    /// D.
    pub num_features: usize,
    /// What the distance of its features is.
    pub metric: Metric,
    /// What becomes of uint8 pixels before the net sees them.
    pub preprocessing: &'static str,
}

/// Inception-v3 behind TensorFlow 1's resize, as in the published EDM2 figures.
pub const INCEPTION: &str = "inception";
/// The same net behind PyTorch's resize, as the package of that name has it.
pub const PYTORCH_FID: &str = "pytorch-fid";
/// DINOv2 ViT-L/14.
pub const DINOV2: &str = "dinov2";
/// The demo's small classifier of Fashion-MNIST.
pub const FASHION_CNN: &str = "fashion-cnn";

/// Every detector that is known by name. Weights that are a TorchScript file may have any other.
pub const DETECTORS: [Detector; 4] = [
    Detector {
        name: INCEPTION,
        num_features: 2048,
        metric: Metric::Fid,
        preprocessing: "bilinear to 299x299 as TensorFlow 1 samples, no antialias; (x - 128)/128",
    },
    Detector {
        name: PYTORCH_FID,
        num_features: 2048,
        metric: Metric::Fid,
        preprocessing: "bilinear to 299x299 with half-pixel centres, no antialias; 2x/255 - 1",
    },
    Detector {
        name: DINOV2,
        num_features: 1024,
        metric: Metric::FdDinov2,
        preprocessing: "bicubic to 224x224 with antialias, not rounded; x/255 by ImageNet's mean and deviation",
    },
    Detector {
        name: FASHION_CNN,
        num_features: 128,
        metric: Metric::Fd,
        preprocessing: "28x28, not resized; x/127.5 - 1",
    },
];

/// The detector of a name.
pub fn find(name: &str) -> Option<&'static Detector> {
    DETECTORS.iter().find(|detector| detector.name == name)
}

/// Their names, for a refusal that says what there is: `a`, `b`.
pub fn known() -> String {
    DETECTORS.map(|detector| detector.name).join("`, `")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_their_names() {
        let of = |name| Metric::of(name).id();
        assert_eq!(
            [INCEPTION, PYTORCH_FID, DINOV2, FASHION_CNN, "own"].map(of),
            ["fid", "fid", "fd_dinov2", "fd", "fd"]
        );
        assert_eq!(Metric::ALL.map(Metric::label), ["FID", "FD-DINOv2", "FD"]);
        assert_eq!(Metric::Fid.detector().map(|detector| detector.name), Some(INCEPTION));
        assert_eq!(Metric::Fd.detector(), None);
        assert!(Metric::ALL.iter().all(|metric| Metric::find(metric.id()) == Some(*metric)));
    }
}
