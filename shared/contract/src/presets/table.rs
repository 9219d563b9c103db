//! The rows: EDM2 (arXiv 2312.02696), without guidance and with a classifier-free guide, and autoguidance
//! (arXiv 2406.02507). File names as on the authors' download site: `{size}-{kimg}-{length of the EMA}`.

use super::Preset;
use crate::detectors::Metric::{self, FdDinov2, Fid};

/// Every preset, in the papers' order.
#[rustfmt::skip]
pub const PRESETS: &[Preset] = &[
    unguided("edm2-img512-xs-fid", "edm2-img512-xs-2147483-0.135", Fid, 3.53),
    unguided("edm2-img512-xs-dino", "edm2-img512-xs-2147483-0.200", FdDinov2, 103.39),
    unguided("edm2-img512-s-fid", "edm2-img512-s-2147483-0.130", Fid, 2.56),
    unguided("edm2-img512-s-dino", "edm2-img512-s-2147483-0.190", FdDinov2, 68.64),
    unguided("edm2-img512-m-fid", "edm2-img512-m-2147483-0.100", Fid, 2.25),
    unguided("edm2-img512-m-dino", "edm2-img512-m-2147483-0.155", FdDinov2, 58.44),
    unguided("edm2-img512-l-fid", "edm2-img512-l-1879048-0.085", Fid, 2.06),
    unguided("edm2-img512-l-dino", "edm2-img512-l-1879048-0.155", FdDinov2, 52.25),
    unguided("edm2-img512-xl-fid", "edm2-img512-xl-1342177-0.085", Fid, 1.96),
    unguided("edm2-img512-xl-dino", "edm2-img512-xl-1342177-0.155", FdDinov2, 45.96),
    unguided("edm2-img512-xxl-fid", "edm2-img512-xxl-0939524-0.070", Fid, 1.91),
    unguided("edm2-img512-xxl-dino", "edm2-img512-xxl-0939524-0.150", FdDinov2, 42.84),
    unguided("edm2-img64-s-fid", "edm2-img64-s-1073741-0.075", Fid, 1.58),
    unguided("edm2-img64-m-fid", "edm2-img64-m-2147483-0.060", Fid, 1.43),
    unguided("edm2-img64-l-fid", "edm2-img64-l-1073741-0.040", Fid, 1.33),
    unguided("edm2-img64-xl-fid", "edm2-img64-xl-0671088-0.040", Fid, 1.33),
    guided("edm2-img512-xs-guid-fid", ["edm2-img512-xs-2147483-0.045", "edm2-img512-xs-uncond-2147483-0.045"], 1.40, (Fid, 2.91)),
    guided("edm2-img512-xs-guid-dino", ["edm2-img512-xs-2147483-0.150", "edm2-img512-xs-uncond-2147483-0.150"], 1.70, (FdDinov2, 79.94)),
    guided("edm2-img512-s-guid-fid", ["edm2-img512-s-2147483-0.025", "edm2-img512-xs-uncond-2147483-0.025"], 1.40, (Fid, 2.23)),
    guided("edm2-img512-s-guid-dino", ["edm2-img512-s-2147483-0.085", "edm2-img512-xs-uncond-2147483-0.085"], 1.90, (FdDinov2, 52.32)),
    guided("edm2-img512-m-guid-fid", ["edm2-img512-m-2147483-0.030", "edm2-img512-xs-uncond-2147483-0.030"], 1.20, (Fid, 2.01)),
    guided("edm2-img512-m-guid-dino", ["edm2-img512-m-2147483-0.015", "edm2-img512-xs-uncond-2147483-0.015"], 2.00, (FdDinov2, 41.98)),
    guided("edm2-img512-l-guid-fid", ["edm2-img512-l-1879048-0.015", "edm2-img512-xs-uncond-2147483-0.015"], 1.20, (Fid, 1.88)),
    guided("edm2-img512-l-guid-dino", ["edm2-img512-l-1879048-0.035", "edm2-img512-xs-uncond-2147483-0.035"], 1.70, (FdDinov2, 38.20)),
    guided("edm2-img512-xl-guid-fid", ["edm2-img512-xl-1342177-0.020", "edm2-img512-xs-uncond-2147483-0.020"], 1.20, (Fid, 1.85)),
    guided("edm2-img512-xl-guid-dino", ["edm2-img512-xl-1342177-0.030", "edm2-img512-xs-uncond-2147483-0.030"], 1.70, (FdDinov2, 35.67)),
    guided("edm2-img512-xxl-guid-fid", ["edm2-img512-xxl-0939524-0.015", "edm2-img512-xs-uncond-2147483-0.015"], 1.20, (Fid, 1.81)),
    guided("edm2-img512-xxl-guid-dino", ["edm2-img512-xxl-0939524-0.015", "edm2-img512-xs-uncond-2147483-0.015"], 1.70, (FdDinov2, 33.09)),
    guided("edm2-img512-s-autog-fid", ["edm2-img512-s-2147483-0.070", "edm2-img512-xs-0134217-0.125"], 2.10, (Fid, 1.34)),
    guided("edm2-img512-s-autog-dino", ["edm2-img512-s-2147483-0.120", "edm2-img512-xs-0134217-0.165"], 2.45, (FdDinov2, 36.67)),
    guided("edm2-img512-xxl-autog-fid", ["edm2-img512-xxl-0939524-0.075", "edm2-img512-m-0268435-0.155"], 2.05, (Fid, 1.25)),
    guided("edm2-img512-xxl-autog-dino", ["edm2-img512-xxl-0939524-0.130", "edm2-img512-m-0268435-0.205"], 2.30, (FdDinov2, 24.18)),
    guided("edm2-img512-s-uncond-autog-fid", ["edm2-img512-s-uncond-2147483-0.070", "edm2-img512-xs-uncond-0134217-0.110"], 2.85, (Fid, 3.86)),
    guided("edm2-img512-s-uncond-autog-dino", ["edm2-img512-s-uncond-2147483-0.090", "edm2-img512-xs-uncond-0134217-0.125"], 2.90, (FdDinov2, 90.39)),
    guided("edm2-img64-s-autog-fid", ["edm2-img64-s-1073741-0.045", "edm2-img64-xs-0134217-0.110"], 1.70, (Fid, 1.01)),
    guided("edm2-img64-s-autog-dino", ["edm2-img64-s-1073741-0.105", "edm2-img64-xs-0134217-0.175"], 2.20, (FdDinov2, 31.85)),
];

const fn unguided(name: &'static str, net: &'static str, metric: Metric, published: f64) -> Preset {
    Preset { name, net, gnet: None, guidance: 1.0, metric, published }
}

const fn guided(
    name: &'static str,
    [net, gnet]: [&'static str; 2],
    guidance: f64,
    (metric, published): (Metric, f64),
) -> Preset {
    Preset { name, net, gnet: Some(gnet), guidance, metric, published }
}
