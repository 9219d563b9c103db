//! A square part of the plane, and a function over it as coloured areas between contours.

use fidelis_figure::{Color, Figure, Grid, Mark, Pen, simplified};
use tch::Tensor;

/// How far a contour may be off, in pixels.
const TOLERANCE: f64 = 0.12;

/// What of the plane a panel shows.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub center: [f64; 2],
    /// From the centre to each edge.
    pub half: f64,
    /// Pixels along an edge.
    pub size: usize,
}

impl View {
    /// A panel with nothing on it.
    pub fn blank(&self) -> Figure {
        Figure { width: self.size, height: self.size, marks: Vec::new() }
    }

    /// A point of the plane in pixels; up is up.
    pub fn pixel(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let scale = self.size as f64 / (2.0 * self.half);
        [(x - self.center[0] + self.half) * scale, (self.center[1] + self.half - y) * scale]
    }

    /// Whether a point, or the dot that stands for it, shows.
    pub fn shows(&self, point: [f64; 2]) -> bool {
        let reach = -3.0..self.size as f64 + 3.0;
        self.pixel(point).iter().all(|place| reach.contains(place))
    }

    /// The middles of all pixels, row by row: float64 `[size², 2]`.
    pub fn points(&self) -> Tensor {
        let step = 2.0 * self.half / self.size as f64;
        let at = |i: usize| (i as f64 + 0.5) * step - self.half;
        let point = |(x, y): (usize, usize)| [self.center[0] + at(x), self.center[1] - at(y)];
        let places = (0..self.size).flat_map(|y| (0..self.size).map(move |x| (x, y)));
        Tensor::from_slice(&places.flat_map(point).collect::<Vec<f64>>()).reshape([-1, 2])
    }

    /// A grid with this spacing through the centre.
    pub fn grid(&self, spacing: f64) -> Tensor {
        let count = (self.half / spacing).floor() as i64;
        let ticks = || (-count..=count).map(|i| i as f64 * spacing);
        let points = ticks().flat_map(|y| ticks().map(move |x| (x, y)));
        let shifted = points.flat_map(|(x, y)| [self.center[0] + x, self.center[1] + y]);
        Tensor::from_slice(&shifted.collect::<Vec<f64>>()).reshape([-1, 2])
    }
}

/// Values of a function at the pixels of a view, row by row.
#[derive(Clone, Debug)]
pub struct Field {
    pub values: Vec<f64>,
    width: usize,
}

impl Field {
    pub fn new(view: &View, values: Vec<f64>) -> Self {
        Self { values, width: view.size }
    }

    pub fn largest(&self) -> f64 {
        self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Colours all places where the value is above a level; later levels lie over earlier ones.
    pub fn fill(&self, panel: &mut Figure, levels: &[(f64, Color)]) {
        for &(level, fill) in levels {
            panel.put(Mark::Area { rings: self.rings(level), fill });
        }
    }

    /// Draws the line where the value is `level`.
    pub fn outline(&self, panel: &mut Figure, level: f64, pen: Pen) {
        let mut lines = self.rings(level);
        lines.iter_mut().for_each(|ring| ring.extend(ring.first().copied()));
        panel.put(Mark::Strokes { lines, pen });
    }

    fn rings(&self, level: f64) -> Vec<Vec<[f64; 2]>> {
        let rings = Grid { values: &self.values, width: self.width }.rings(level);
        let middle = |[x, y]: [f64; 2]| [x + 0.5, y + 0.5];
        let rings = rings.into_iter().map(|ring| ring.into_iter().map(middle).collect::<Vec<_>>());
        rings.map(|ring| simplified(&ring, TOLERANCE)).collect()
    }
}
