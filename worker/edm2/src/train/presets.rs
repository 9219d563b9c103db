//! The published trainings (EDM2, table 6), by the names of their nets.

use serde_json::json;

use super::recipe::Recipe;
use super::schedule::LrSchedule;
use super::snapshots::images;
use crate::net::Precision;

/// Images in a step of all of them.
const BATCH: u64 = 2048;
/// 1 Mi of images.
const MI: u64 = 1 << 20;

/// A name that is no training's.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{name}` is no training that is known here: expected one of {known}, each also with `-uncond`, and for a shorter one with its thousands of images, as edm2-img512-xs-0134217"
)]
pub struct PresetError {
    name: String,
    known: String,
}

fidelis_contract::usage_errors!(PresetError);

/// A dataset's half of a recipe.
struct Family {
    prefix: &'static str,
    p_mean: f64,
    p_std: f64,
    t_ref: f64,
    img_channels: i64,
    encoder: &'static str,
    sizes: &'static [Size],
}

/// A net's half.
struct Size {
    name: &'static str,
    model_channels: i64,
    alpha_ref: f64,
    dropout: f64,
    /// Images seen, in Mi.
    duration_mi: u64,
}

const FAMILIES: [Family; 2] = [
    Family {
        prefix: "edm2-img512",
        p_mean: -0.4,
        p_std: 1.0,
        t_ref: 70_000.0,
        img_channels: 4,
        encoder: "stability-vae",
        sizes: &[
            Size { name: "xxs", model_channels: 64, alpha_ref: 0.0170, dropout: 0.0, duration_mi: 2048 },
            Size { name: "xs", model_channels: 128, alpha_ref: 0.0120, dropout: 0.0, duration_mi: 2048 },
            Size { name: "s", model_channels: 192, alpha_ref: 0.0100, dropout: 0.0, duration_mi: 2048 },
            Size { name: "m", model_channels: 256, alpha_ref: 0.0090, dropout: 0.1, duration_mi: 2048 },
            Size { name: "l", model_channels: 320, alpha_ref: 0.0080, dropout: 0.1, duration_mi: 1792 },
            Size { name: "xl", model_channels: 384, alpha_ref: 0.0070, dropout: 0.1, duration_mi: 1280 },
            Size { name: "xxl", model_channels: 448, alpha_ref: 0.0065, dropout: 0.1, duration_mi: 896 },
        ],
    },
    Family {
        prefix: "edm2-img64",
        p_mean: -0.8,
        p_std: 1.6,
        t_ref: 35_000.0,
        img_channels: 3,
        encoder: "rgb",
        sizes: &[
            Size { name: "xs", model_channels: 128, alpha_ref: 0.0120, dropout: 0.0, duration_mi: 1024 },
            Size { name: "s", model_channels: 192, alpha_ref: 0.0100, dropout: 0.0, duration_mi: 1024 },
            Size { name: "m", model_channels: 256, alpha_ref: 0.0090, dropout: 0.1, duration_mi: 2048 },
            Size { name: "l", model_channels: 320, alpha_ref: 0.0080, dropout: 0.1, duration_mi: 1024 },
            Size { name: "xl", model_channels: 384, alpha_ref: 0.0070, dropout: 0.1, duration_mi: 640 },
        ],
    },
];

/// The names of all trainings, conditional and of full length.
pub fn preset_names() -> impl Iterator<Item = String> {
    let of =
        |family: &'static Family| family.sizes.iter().map(|size| format!("{}-{}", family.prefix, size.name));
    FAMILIES.iter().flat_map(of)
}

/// The recipe of a published training: `edm2-img512-xs`, `edm2-img64-s-uncond`, or a guiding net by its duration in
/// thousands of images, `edm2-img512-m-0268435`.
///
/// # Errors
/// A name that is none of these.
pub fn preset(name: &str) -> Result<Recipe, PresetError> {
    let unknown =
        || PresetError { name: name.to_owned(), known: preset_names().collect::<Vec<_>>().join(", ") };
    let (rest, kimg) = match name.rsplit_once('-') {
        Some((rest, kimg)) if kimg.len() >= 7 => (rest, Some(kimg.parse().map_err(|_| unknown())?)),
        _ => (name, None),
    };
    let (net, is_conditional) = rest.strip_suffix("-uncond").map_or((rest, true), |net| (net, false));
    let found = FAMILIES.iter().find_map(|family| {
        let size = net.strip_prefix(family.prefix)?.strip_prefix('-')?;
        Some((family, family.sizes.iter().find(|known| known.name == size)?))
    });
    let (family, size) = found.ok_or_else(unknown)?;
    let duration = kimg.map_or(size.duration_mi * MI, images);
    Ok(recipe(family, size, (duration, is_conditional)))
}

fn recipe(family: &Family, size: &Size, (duration, is_conditional): (u64, bool)) -> Recipe {
    let net = json!({
        "img_resolution": 64,
        "img_channels": family.img_channels,
        "label_dim": if is_conditional { 1000 } else { 0 },
        "model_channels": size.model_channels,
        "dropout": size.dropout,
        "encoder": family.encoder,
    });
    Recipe {
        seed: 0,
        batch: BATCH,
        steps: duration.div_ceil(BATCH),
        p_mean: family.p_mean,
        p_std: family.p_std,
        ema: vec![0.05, 0.10],
        lr: LrSchedule { alpha_ref: size.alpha_ref, t_ref: family.t_ref, rampup_images: 10e6 },
        xflip: false,
        precision: Precision::Fp32,
        vae: None,
        net: serde_json::from_value(net).expect("the options are a net's"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::num_params;

    #[test]
    fn presets_are_the_published_trainings() {
        let xs = preset("edm2-img64-xs").unwrap();
        assert_eq!(
            (xs.batch, xs.steps * xs.batch, xs.lr.alpha_ref, xs.lr.t_ref),
            (2048, 1_073_741_824, 0.012, 35_000.0)
        );
        assert_eq!(
            (xs.p_mean, xs.p_std, xs.net.dropout, num_params(&xs.net).unwrap()),
            (-0.8, 1.6, 0.0, 124_713_253 - 2 * 9 * 128)
        );
        let xxl = preset("edm2-img512-xxl").unwrap();
        assert_eq!((xxl.steps * xxl.batch, xxl.lr.alpha_ref, xxl.net.dropout), (939_524_096, 0.0065, 0.1));
        let guide = preset("edm2-img512-m-0268435").unwrap();
        assert_eq!((guide.steps * guide.batch, guide.net.model_channels), (268_435_456, 256));
        let uncond = preset("edm2-img512-xs-uncond-0134217").unwrap();
        assert_eq!((uncond.steps * uncond.batch, uncond.net.label_dim), (134_217_728, 0));
        assert_eq!(preset_names().count(), 12);
        for name in preset_names() {
            preset(&name).unwrap().check().unwrap();
        }
    }

    #[test]
    fn other_names_are_refused_with_those_that_there_are() {
        for name in ["edm2-img64-xxs", "edm2-img512", "img64-s", "edm2-img64-s-00000x0", ""] {
            assert!(preset(name).unwrap_err().to_string().contains("edm2-img512-xxl"), "{name}");
        }
    }
}
