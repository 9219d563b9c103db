//! What the noise level and the label say to each block: once per distinct pair, not once per image.

use fearless_simd::dispatch;

use super::fold::{SILU_MAGNITUDE, acting, sum_factors};
use crate::dense::{Dense, Input};
use crate::kernels::{Lhs, Out, Pack, Panels, Storage, WIDTH, level, packs_of, product, silu_packs};
use crate::net::block::Block;
use crate::net::unet::UNet;

/// The embedding, and the layers of all blocks that read it, side by side.
#[derive(Clone, Debug)]
pub struct Embedding {
    freqs: Vec<f32>,
    phases: Vec<f32>,
    noise: Panels,
    channels: usize,
    /// Share of the noise where there are labels.
    noise_factor: f32,
    /// A row for each class, with its share.
    classes: Vec<Vec<f32>>,
    blocks: Panels,
}

/// One noise level with one label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    pub c_noise: f32,
    pub label: Option<i64>,
}

impl Embedding {
    pub fn new(unet: &UNet, blocks: &[&Block], storage: Storage) -> Self {
        let noise = acting(&unet.emb_noise);
        let [channels, inputs, _] = noise.shape;
        let (noise_factor, label_factor) = match &unet.emb_label {
            Some(_) => sum_factors(unet.label_balance),
            None => (1.0, 0.0),
        };
        let classes = unet.emb_label.as_ref().map_or_else(Vec::new, |layer| {
            let dense = acting(layer);
            let factor = (unet.label_dim as f64).sqrt() * label_factor;
            let value = |class, i| (f64::from(dense.at([i, class, 0])) * factor) as f32;
            (0..dense.shape[1]).map(|class| (0..channels).map(|i| value(class, i)).collect()).collect()
        });
        let layers: Vec<Dense> = blocks.iter().map(|block| acting(&block.emb_linear)).collect();
        // Which block's which output each column is; columns between blocks are zero.
        let columns: Vec<Option<(&Dense, usize)>> = layers
            .iter()
            .flat_map(|layer| {
                let outputs = layer.shape[0];
                (0..packs_of(outputs) * WIDTH).map(move |i| (i < outputs).then_some((layer, i)))
            })
            .collect();
        let at = |row: usize, column: usize| {
            columns[column]
                .map_or(0.0, |(layer, i)| (f64::from(layer.at([i, row, 0])) / SILU_MAGNITUDE) as f32)
        };
        Self {
            freqs: Vec::try_from(&*unet.emb_fourier.freqs).unwrap_or_default(),
            phases: Vec::try_from(&*unet.emb_fourier.phases).unwrap_or_default(),
            noise: noise.panels(&Input::plain(inputs), 1.0).swap_remove(0),
            channels,
            noise_factor: noise_factor as f32,
            classes,
            blocks: Panels::new(channels, columns.len(), at).kept(storage),
        }
    }

    /// Packs of a row of [`Self::of`].
    pub fn stride(&self) -> usize {
        self.blocks.count()
    }

    /// `emb_linear(emb) + 1` of all blocks, a row for each condition.
    pub fn of(&self, conditions: &[Condition]) -> Vec<Pack> {
        let mut emb = Vec::new();
        for condition in conditions {
            let mut row = self.noise(condition.c_noise);
            let values = row.as_flattened_mut();
            values.iter_mut().for_each(|x| *x *= self.noise_factor);
            if let Some(label) = condition.label.filter(|_| !self.classes.is_empty()) {
                let class = &self.classes[label as usize];
                values.iter_mut().zip(class).for_each(|(x, y)| *x += y);
            }
            emb.extend(row);
        }
        silu_packs(&mut emb);
        let mut rows = multiply(&emb, (conditions.len(), packs_of(self.channels)), &self.blocks);
        rows.as_flattened_mut().iter_mut().for_each(|c| *c += 1.0);
        rows
    }

    /// The embedding of a noise level alone, before the label is mixed in.
    pub fn noise(&self, c_noise: f32) -> Vec<Pack> {
        let mut waves = vec![[0.0; WIDTH]; packs_of(self.freqs.len())];
        // Rounded to float32 where the paper's net rounds; the cosine itself is exact.
        let wave = |(freq, phase): (&f32, &f32)| f64::from(c_noise * freq + phase).cos() as f32;
        let factors = self.freqs.iter().zip(&self.phases);
        let sqrt_2 = std::f32::consts::SQRT_2;
        waves.as_flattened_mut().iter_mut().zip(factors).for_each(|(to, of)| *to = wave(of) * sqrt_2);
        multiply(&waves, (1, packs_of(self.freqs.len())), &self.noise)
    }

    /// The same without what fills its last pack.
    pub fn noise_alone(&self, c_noise: f32) -> Vec<f32> {
        let mut values = self.noise(c_noise).into_flattened();
        values.truncate(self.channels);
        values
    }
}

fn multiply(rows: &[Pack], (count, packs): (usize, usize), weight: &Panels) -> Vec<Pack> {
    let starts: Vec<usize> = (0..count).map(|i| i * packs * WIDTH).collect();
    let stride = weight.count();
    let mut packs = vec![[0.0; WIDTH]; count * stride];
    let lhs = Lhs { data: rows.as_flattened(), starts: &starts, shift: 0 };
    let mut out = Out { packs: &mut packs, stride, add: false };
    dispatch!(level(), simd => product(simd, lhs, weight.view(), &mut out));
    packs
}
