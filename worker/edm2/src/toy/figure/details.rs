//! Figure 2: densities and scores at an intermediate noise level, and the ways from there to the samples.

use fidelis_figure::{Color, Figure, Mark, Pen, rgb, simplified};
use tch::{Kind, Tensor};

use super::{
    BLACK, BLUE, DARK_GREY, Field, Titled, VERMILION, View, background, bands, beside, density, is_outside,
    pen,
};
use crate::toy::mixture::{Mixture, numbers, points_of};
use crate::toy::model::Model;
use crate::toy::sample::{Guided, Score};
use crate::toy::tree::{Classes, ground_truth};

const VIEW: View = View { center: [0.45, 1.22], half: 0.3, size: 420 };
/// Noise level at which it begins.
pub const SIGMA: f64 = 0.03;
/// Between arrows.
const SPACING: f64 = 0.045;
/// How far a trajectory may be off, in pixels.
const TOLERANCE: f64 = 0.1;

/// What it is made of.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    pub main: &'a Model,
    pub guide: &'a Model,
    /// w.
    pub weight: f64,
}

/// The ground truth's density and score, the net's, the guiding net's; what guidance adds; trajectories without and with
/// it. `start` are points of noise level [`SIGMA`].
pub fn details(pair: Pair, start: &Tensor) -> Figure {
    let truth = ground_truth(Classes::A);
    let mut exact = view_of(&density(&truth, &VIEW, SIGMA));
    arrows(&mut exact, |x| Score::Truth(&truth).at(x, SIGMA));
    let net = |model: &Model| {
        let mut panel = view_of(&learned(model));
        arrows(&mut panel, |x| model.score(x, &sigmas(x)));
        panel
    };
    let (main, guide) = (Score::Net(pair.main), Score::Net(pair.guide));
    let below = background(&truth, &VIEW);
    let ways = |guide| trajectories(&truth, below.clone(), &Guided { main, guide }, start);
    let titled =
        |title: &str, note: &str, panel| Titled { title: title.to_owned(), note: note.to_owned(), panel };
    let panels = vec![
        titled("(a) exact score", "noise 0.03", exact),
        titled("(b) D1", "main", net(pair.main)),
        titled("(c) D0", "guiding", net(pair.guide)),
        titled("(d) log p1 - log p0", "and its gradient", ratio(pair)),
        titled("(e) without guidance", "from noise 0.03", ways(None)),
        titled("(f) autoguidance", &format!("w = {}", pair.weight), ways(Some((guide, pair.weight)))),
    ];
    beside(panels, 3)
}

fn view_of(field: &Field) -> Figure {
    let mut panel = VIEW.blank();
    bands(&mut panel, field);
    panel
}

fn sigmas(x: &Tensor) -> Tensor {
    Tensor::full([x.size()[0]], SIGMA, (Kind::Float, x.device()))
}

fn learned(model: &Model) -> Field {
    let points = VIEW.points().to_kind(Kind::Float);
    Field::new(&VIEW, numbers(&model.log_density(&points, &sigmas(&points))))
}

/// Blue where the main net thinks a point likelier than the guiding net does, orange where less; each net's density is
/// known but for a factor, so that the middle of the view stands for none.
fn ratio(pair: Pair) -> Figure {
    let (main, guide) = (learned(pair.main), learned(pair.guide));
    let values: Vec<f64> = main.values.iter().zip(&guide.values).map(|(one, other)| one - other).collect();
    const STEPS: [Color; 7] = [
        rgb(0xf0_b0_78),
        rgb(0xf8_d2_b0),
        rgb(0xfb_e9_d8),
        rgb(0xf2_f6_f9),
        rgb(0xcf_e4_f2),
        rgb(0xa2_cb_e6),
        rgb(0x6c_ac_d6),
    ];
    let field = Field::new(&VIEW, values);
    let level = |i: usize| field.largest() - 1.5 * (STEPS.len() - i) as f64;
    let above = |i: usize| if i == 0 { f64::NEG_INFINITY } else { level(i) };
    let levels: Vec<(f64, Color)> = STEPS.iter().enumerate().map(|(i, &color)| (above(i), color)).collect();
    let mut panel = VIEW.blank();
    field.fill(&mut panel, &levels);
    arrows(&mut panel, |x| pair.main.score(x, &sigmas(x)) - pair.guide.score(x, &sigmas(x)));
    panel
}

/// Arrows of a vector field `[N, 2]`: as long as their square roots, the longest of a grid's spacing.
fn arrows(panel: &mut Figure, field: impl Fn(&Tensor) -> Tensor) {
    let grid = VIEW.grid(SPACING);
    let vectors = points_of(&field(&grid.to_kind(Kind::Float)));
    let longest = vectors.iter().map(|[x, y]| x.hypot(*y)).fold(1e-12, f64::max);
    let lines = points_of(&grid).into_iter().zip(vectors).flat_map(|([x, y], [dx, dy])| {
        let length = dx.hypot(dy);
        let scale = SPACING * 0.95 * (length / longest).sqrt() / length.max(1e-12);
        arrow(VIEW.pixel([x, y]), VIEW.pixel([x + dx * scale, y + dy * scale]))
    });
    panel.put(Mark::Strokes { lines: lines.collect(), pen: pen(1.3, BLACK) });
}

/// A shaft, and a head that is in proportion to short shafts.
fn arrow(from: [f64; 2], to: [f64; 2]) -> [Vec<[f64; 2]>; 2] {
    let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    let head = (0.4_f64).min(5.0 / dx.hypot(dy).max(1e-9));
    let barb = |side: f64| [to[0] - head * (dx + side * dy), to[1] - head * (dy - side * dx)];
    [vec![from, to], vec![barb(0.5), to, barb(-0.5)]]
}

/// The ways of points from the noise level to the samples, over the ground truth without noise.
fn trajectories(truth: &Mixture, mut panel: Figure, score: &Guided, start: &Tensor) -> Figure {
    let mut seen: Vec<Vec<[f64; 2]>> = Vec::new();
    let samples = points_of(&score.run(start, SIGMA, |x| seen.push(points_of(x))));
    let way = |i: usize| seen.iter().map(move |points| points[i]);
    let shown = (0..samples.len()).filter(|&i| way(i).any(|point| VIEW.shows(point)));
    let lines =
        shown.map(|i| simplified(&way(i).map(|point| VIEW.pixel(point)).collect::<Vec<_>>(), TOLERANCE));
    let pen_of_ways = Pen { width: 0.9, color: DARK_GREY, alpha: 0.7 };
    panel.put(Mark::Strokes { lines: lines.collect(), pen: pen_of_ways });
    let ends = samples.into_iter().filter(|point| VIEW.shows(*point));
    let (outside, inside): (Vec<_>, Vec<_>) = ends.partition(|point| is_outside(truth, *point));
    for (ends, color) in [(inside, BLUE), (outside, VERMILION)] {
        let lines = ends.into_iter().map(|point| vec![VIEW.pixel(point)]).collect();
        panel.put(Mark::Strokes { lines, pen: pen(3.6, color) });
    }
    panel
}
