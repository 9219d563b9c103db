//! Figure 1: samples over the outlines of both classes, one panel for each way of sampling.

use fidelis_figure::{Figure, Mark};
use tch::Tensor;

use super::{BLUE, Titled, VERMILION, View, background, beside, is_outside, pen};
use crate::toy::measure::Measured;
use crate::toy::mixture::{Mixture, points_of};
use crate::toy::tree::{Classes, ground_truth};

const VIEW: View = View { center: [0.30, 0.30], half: 1.2, size: 560 };
/// Samples that a panel shows: more would cover each other.
const DOTS: usize = 6144;

/// What a panel shows.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    pub title: String,
    /// `[N, 2]`.
    pub samples: &'a Tensor,
    pub measured: Measured,
}

/// Samples outside of class A's outline of 99 % are of another colour, and larger.
pub fn samples(ways: &[Shown<'_>]) -> Figure {
    let truth = ground_truth(Classes::A);
    let below = background(&truth, &VIEW);
    let panels = ways.iter().enumerate().map(|(i, way)| {
        let Measured { outside, coverage, .. } = way.measured;
        let note = format!("{:.1} % outside, {:.0} % of branches", outside * 100.0, coverage * 100.0);
        let title = format!("({}) {}", char::from(b'a' + i as u8), way.title);
        Titled { title, note, panel: scatter(&truth, below.clone(), way.samples) }
    });
    beside(panels.collect(), 2)
}

fn scatter(truth: &Mixture, mut panel: Figure, samples: &Tensor) -> Figure {
    let points = points_of(samples).into_iter().take(DOTS).filter(|point| VIEW.shows(*point));
    let (outside, inside): (Vec<_>, Vec<_>) = points.partition(|point| is_outside(truth, *point));
    // Those outside last, so that none hides.
    for (points, pen) in [(inside, pen(1.5, BLUE)), (outside, pen(2.6, VERMILION))] {
        let lines = points.into_iter().map(|point| vec![VIEW.pixel(point)]).collect();
        panel.put(Mark::Strokes { lines, pen });
    }
    panel
}
