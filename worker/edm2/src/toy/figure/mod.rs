//! The paper's Figures 1 and 2.
//!
//! Colours are Okabe and Ito's, which people of any colour vision tell apart.

mod details;
mod panel;
mod samples;

pub use fidelis_figure::Figure;
use fidelis_figure::{Anchor, Color, Mark, Pen, rgb};

use super::measure::OUTLINE;
use super::mixture::{Mixture, numbers};
use super::tree::{Classes, ground_truth};
pub use details::{Pair, SIGMA, details};
use panel::{Field, View};
pub use samples::{Shown, samples};
use tch::{Kind, Tensor};

/// Around and between panels, and above each for its words, in pixels.
const MARGIN: usize = 18;
const TITLE: usize = 30;

const GREY: Color = rgb(0xea_ea_ea);
const MIDDLE_GREY: Color = rgb(0xa8_a8_a8);
const DARK_GREY: Color = rgb(0x66_66_66);
const BLUE: Color = rgb(0x00_5a_96);
const VERMILION: Color = rgb(0xd5_3e_00);
const BLACK: Color = rgb(0x20_20_20);
/// From the outline of a class to its crests.
const BANDS: [Color; 4] = [rgb(0xfc_f2_da), rgb(0xf8_e2_b2), rgb(0xf3_cf_82), rgb(0xec_b6_4a)];
/// Standard deviations below the crest at which a picture's outline of a class lies: log p = max − 2.12².
const OUTLINE_SDS: f64 = 2.12;

/// One that covers.
fn pen(width: f32, color: Color) -> Pen {
    Pen { width, color, alpha: 1.0 }
}

/// The classes: B in grey, A in bands.
fn background(truth: &Mixture, view: &View) -> Figure {
    let mut panel = view.blank();
    let both = ground_truth(Classes::Both);
    let (all, ours) = (density(&both, view, 0.0), density(truth, view, 0.0));
    let bottom = outline(&ours);
    // B alone is what is left of both without A; the two classes weigh about the same.
    let other =
        all.values.iter().zip(&ours.values).map(|(all, ours)| (2.0 * all.exp() - ours.exp()).max(1e-12).ln());
    let other = Field::new(view, other.collect());
    other.fill(&mut panel, &[(bottom, GREY)]);
    other.outline(&mut panel, bottom, pen(1.2, MIDDLE_GREY));
    bands(&mut panel, &ours);
    panel
}

fn density(mixture: &Mixture, view: &View, sigma: f64) -> Field {
    let points = view.points();
    let sigma = Tensor::full([points.size()[0]], sigma, (Kind::Double, points.device()));
    Field::new(view, numbers(&mixture.evaluate(&points, &sigma).0))
}

fn outline(field: &Field) -> f64 {
    field.largest() - OUTLINE_SDS * OUTLINE_SDS
}

fn bands(panel: &mut Figure, field: &Field) {
    let (bottom, top) = (outline(field), field.largest());
    let level = |i: usize| bottom + (top - bottom) * i as f64 / BANDS.len() as f64;
    let levels: Vec<(f64, Color)> = BANDS.iter().enumerate().map(|(i, &color)| (level(i), color)).collect();
    field.fill(panel, &levels);
    field.outline(panel, bottom, pen(1.3, DARK_GREY));
}

/// Whether a sample lies where class A is not.
fn is_outside(truth: &Mixture, point: [f64; 2]) -> bool {
    truth.at(point, 0.0).log_density < OUTLINE
}

/// A panel with its title and, where there is more to say, a smaller line at the right.
#[derive(Debug)]
struct Titled {
    title: String,
    note: String,
    panel: Figure,
}

/// Square panels of one size in rows of `columns`, each below its words.
fn beside(panels: Vec<Titled>, columns: usize) -> Figure {
    let size = panels.first().map_or(0, |titled| titled.panel.width);
    let (rows, cell) = (panels.len().div_ceil(columns), [size + MARGIN, size + TITLE + MARGIN]);
    let mut figure =
        Figure { width: columns * cell[0] + MARGIN, height: rows * cell[1] + MARGIN, marks: Vec::new() };
    for (i, Titled { title, note, panel }) in panels.into_iter().enumerate() {
        let left = (MARGIN + (i % columns) * cell[0]) as f64;
        let top = (MARGIN + TITLE + (i / columns) * cell[1]) as f64;
        figure.large([left, top - 11.0], (title, Anchor::Start), BLACK);
        figure.text([left + size as f64, top - 11.0], (note, Anchor::End), DARK_GREY);
        figure.put(Mark::Inset { at: [left, top], figure: panel });
        let size = [size as f64; 2];
        figure.put(Mark::Box { at: [left, top], size, fill: None, edge: Some(pen(1.0, MIDDLE_GREY)) });
    }
    figure
}
