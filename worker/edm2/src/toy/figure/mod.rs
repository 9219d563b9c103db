//! The paper's Figures 1 and 2.
//!
//! Colours are Okabe and Ito's, which people of any colour vision tell apart.

mod panel;

use tch::{Kind, Tensor};

use super::measure::OUTLINE;
use super::mixture::{Mixture, numbers, points_of};
use super::model::Model;
use super::sample::{Guided, Score};
use super::tree::{Classes, ground_truth};
pub use fidelis_figure::Canvas;
use fidelis_figure::{Color, Pen, rgb};
use panel::{Field, View};

/// Pixels along a panel's edge, between panels, and below each for its caption.
const PANEL: usize = 520;
const MARGIN: usize = 16;
const CAPTION: usize = 34;

const WHITE: Color = rgb(0xff_ff_ff);
const GREY: Color = rgb(0xe4_e4_e4);
const DARK_GREY: Color = rgb(0x99_99_99);
const BLUE: Color = rgb(0x00_72_b2);
const VERMILION: Color = rgb(0xd5_5e_00);
const BLACK: Color = rgb(0x20_20_20);
/// From the outline of a class to its crests.
const BANDS: [Color; 4] = [rgb(0xfb_f0_d4), rgb(0xf5_dc_a3), rgb(0xee_c5_6d), rgb(0xe6_9f_00)];
/// Standard deviations below the crest at which a picture's outline of a class lies: log p = max − 2.12².
const OUTLINE_SDS: f64 = 2.12;

const WHOLE: View = View { center: [0.30, 0.30], half: 1.2, size: PANEL };
const DETAIL: View = View { center: [0.45, 1.22], half: 0.3, size: PANEL };
/// Noise level at which Figure 2 begins.
pub const SIGMA: f64 = 0.03;
/// Between the arrows of Figure 2.
const SPACING: f64 = 0.045;

/// One that covers.
fn pen(width: f32, color: Color) -> Pen {
    Pen { width, color, alpha: 1.0 }
}

/// Samples over the outlines of both classes, one panel for each way of sampling. Samples outside of class A's outline
/// of 99 % are of another colour.
pub fn samples(ways: &[(String, &Tensor)]) -> Canvas {
    let truth = ground_truth(Classes::A);
    let panels: Vec<(String, Canvas)> =
        ways.iter().map(|(caption, points)| (caption.clone(), scatter(&truth, points))).collect();
    beside(&panels, panels.len())
}

fn scatter(truth: &Mixture, points: &Tensor) -> Canvas {
    let mut canvas = background(truth, &WHOLE);
    let mut points = points_of(points);
    let outside = |point: &[f64; 2]| truth.at(*point, 0.0).log_density < OUTLINE;
    // Those outside last, so that none hides.
    points.sort_by_key(outside);
    for point in &points {
        let (width, color, alpha) = if outside(point) { (3.0, VERMILION, 0.9) } else { (2.0, BLUE, 0.35) };
        canvas.disc(WHOLE.pixel(*point), Pen { width, color, alpha });
    }
    canvas
}

/// The classes: B in grey, A in bands.
fn background(truth: &Mixture, view: &View) -> Canvas {
    let mut canvas = Canvas::new(view.size, view.size, WHITE);
    let both = ground_truth(Classes::Both);
    let (all, ours) = (density(&both, view, 0.0), density(truth, view, 0.0));
    let bottom = outline(&ours);
    // B alone is what is left of both without A; the two classes weigh about the same.
    let other =
        all.values.iter().zip(&ours.values).map(|(all, ours)| (2.0 * all.exp() - ours.exp()).max(1e-12).ln());
    let other = Field::new(view, other.collect());
    other.fill(&mut canvas, &[(bottom, GREY)]);
    other.outline(&mut canvas, bottom, pen(1.2, DARK_GREY));
    bands(&mut canvas, &ours);
    canvas
}

fn density(mixture: &Mixture, view: &View, sigma: f64) -> Field {
    let points = view.points();
    let sigma = Tensor::full([points.size()[0]], sigma, (Kind::Double, points.device()));
    Field::new(view, numbers(&mixture.evaluate(&points, &sigma).0))
}

fn largest(field: &Field) -> f64 {
    field.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn outline(field: &Field) -> f64 {
    largest(field) - OUTLINE_SDS * OUTLINE_SDS
}

fn bands(canvas: &mut Canvas, field: &Field) {
    let (bottom, top) = (outline(field), largest(field));
    let level = |i: usize| bottom + (top - bottom) * i as f64 / BANDS.len() as f64;
    let levels: Vec<(f64, Color)> = BANDS.iter().enumerate().map(|(i, &color)| (level(i), color)).collect();
    field.fill(canvas, &levels);
    field.outline(canvas, bottom, pen(1.6, BLACK));
}

/// What the pair of Figure 2 is made of.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    pub main: &'a Model,
    pub guide: &'a Model,
    /// w.
    pub weight: f64,
}

/// Densities and scores at an intermediate noise level, and the ways from there to the samples: the ground truth's, the
/// net's, the guiding net's; what guidance adds; without and with it. `start` are points of that noise level.
pub fn details(pair: Pair, start: &Tensor) -> Canvas {
    let truth = ground_truth(Classes::A);
    let mut exact = Canvas::new(PANEL, PANEL, WHITE);
    bands(&mut exact, &density(&truth, &DETAIL, SIGMA));
    arrows(&mut exact, |x| Score::Truth(&truth).at(x, SIGMA));
    let net = |model: &Model| {
        let mut canvas = Canvas::new(PANEL, PANEL, WHITE);
        bands(&mut canvas, &learned(model));
        arrows(&mut canvas, |x| model.score(x, &sigmas(x)));
        canvas
    };
    let (main, guide) = (Score::Net(pair.main), Score::Net(pair.guide));
    let unguided = Guided::by(main);
    let guided = Guided { main, guide: Some((guide, pair.weight)) };
    let panels = [
        ("exact, sigma 0.03".to_owned(), exact),
        ("D1".to_owned(), net(pair.main)),
        ("D0".to_owned(), net(pair.guide)),
        ("log p1/p0 and its gradient".to_owned(), ratio(pair)),
        ("unguided".to_owned(), trajectories(&truth, &unguided, start)),
        (format!("autoguidance, w = {}", pair.weight), trajectories(&truth, &guided, start)),
    ];
    beside(&panels, 3)
}

fn sigmas(x: &Tensor) -> Tensor {
    Tensor::full([x.size()[0]], SIGMA, (Kind::Float, x.device()))
}

fn learned(model: &Model) -> Field {
    let points = DETAIL.points().to_kind(Kind::Float);
    Field::new(&DETAIL, numbers(&model.log_density(&points, &sigmas(&points))))
}

/// Blue where the main net thinks a point likelier than the guiding net does, orange where less; each net's density is
/// known but for a factor, so that the middle of the view stands for none.
fn ratio(pair: Pair) -> Canvas {
    let (main, guide) = (learned(pair.main), learned(pair.guide));
    let values: Vec<f64> = main.values.iter().zip(&guide.values).map(|(one, other)| one - other).collect();
    let top = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    const STEPS: [Color; 6] = [
        rgb(0xf8_d2_b0),
        rgb(0xfb_e9_d8),
        rgb(0xf2_f6_f9),
        rgb(0xcf_e4_f2),
        rgb(0xa2_cb_e6),
        rgb(0x6c_ac_d6),
    ];
    let field = Field::new(&DETAIL, values);
    let levels: Vec<(f64, Color)> =
        STEPS.iter().rev().enumerate().map(|(i, &color)| (top - 1.5 * (i + 1) as f64, color)).rev().collect();
    let mut canvas = Canvas::new(PANEL, PANEL, rgb(0xf0_b0_78));
    field.fill(&mut canvas, &levels);
    arrows(&mut canvas, |x| pair.main.score(x, &sigmas(x)) - pair.guide.score(x, &sigmas(x)));
    canvas
}

/// Arrows of a vector field `[N, 2]`: as long as their square roots, the longest of a grid's spacing.
fn arrows(canvas: &mut Canvas, field: impl Fn(&Tensor) -> Tensor) {
    let grid = DETAIL.grid(SPACING);
    let vectors = points_of(&field(&grid.to_kind(Kind::Float)));
    let longest = vectors.iter().map(|[x, y]| x.hypot(*y)).fold(1e-12, f64::max);
    for ([x, y], [dx, dy]) in points_of(&grid).into_iter().zip(vectors) {
        let length = dx.hypot(dy);
        let scale = SPACING * 0.95 * (length / longest).sqrt() / length.max(1e-12);
        canvas.arrow(DETAIL.pixel([x, y]), DETAIL.pixel([x + dx * scale, y + dy * scale]), pen(1.5, BLACK));
    }
}

/// The ways of points from the noise level to the samples, over the ground truth without noise.
fn trajectories(truth: &Mixture, score: &Guided, start: &Tensor) -> Canvas {
    let mut canvas = background(truth, &DETAIL);
    let mut ways: Vec<Vec<[f64; 2]>> = Vec::new();
    let samples = points_of(&score.run(start, SIGMA, |x| ways.push(points_of(x))));
    for pair in ways.windows(2) {
        for (from, to) in pair[0].iter().zip(&pair[1]) {
            canvas.line(
                DETAIL.pixel(*from),
                DETAIL.pixel(*to),
                Pen { width: 1.0, color: DARK_GREY, alpha: 0.7 },
            );
        }
    }
    for point in samples {
        let outside = truth.at(point, 0.0).log_density < OUTLINE;
        let color = if outside { VERMILION } else { BLUE };
        canvas.disc(DETAIL.pixel(point), Pen { width: 4.0, color, alpha: 0.9 });
    }
    canvas
}

/// Panels in rows of `columns`, each with its caption below.
fn beside(panels: &[(String, Canvas)], columns: usize) -> Canvas {
    let (rows, cell) = (panels.len().div_ceil(columns), (PANEL + MARGIN, PANEL + CAPTION + MARGIN));
    let mut canvas = Canvas::new(columns * cell.0 + MARGIN, rows * cell.1 + MARGIN, WHITE);
    for (i, (caption, panel)) in panels.iter().enumerate() {
        let (left, top) = (MARGIN + (i % columns) * cell.0, MARGIN + (i / columns) * cell.1);
        canvas.paste(panel, left, top);
        frame(&mut canvas, left, top);
        canvas.text(caption, left + PANEL / 2, top + PANEL + CAPTION - 10);
    }
    canvas
}

fn frame(canvas: &mut Canvas, left: usize, top: usize) {
    let (left, top) = (left as f32, top as f32);
    let (right, bottom) = (left + PANEL as f32, top + PANEL as f32);
    let corners = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]];
    for pair in corners.windows(2) {
        canvas.line(pair[0], pair[1], pen(1.0, DARK_GREY));
    }
}
